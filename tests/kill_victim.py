"""Processes to be killed: each runs jobs on a journal and prints what a client has been told.

The first process only forks, once for each line on its standard input, so that a victim lives at once.
"""

import asyncio
import hashlib
import os
import random
import signal
import sys
from pathlib import Path
from typing import Any

import structlog
from pydantic import BaseModel

from kameo_async.jobs.document import document
from kameo_async.jobs.errors import JobFailed, JobFinishedError
from kameo_async.jobs.journal import Journal
from kameo_async.jobs.models import Job
from kameo_async.jobs.service import JobLimits, JobService

KEYS = 10_000


class Victim:
    """Succeeds, fails, or goes on until somebody is killed."""

    kind = "victim"
    title = "Victim"
    description = "Lives for a while."

    class Params(BaseModel):
        """Which way it goes."""

        number: int

    class Result(BaseModel):
        """Something to compare."""

        text: str

    async def run(self, params: Params, report: Any) -> Result:
        for n in range(params.number % 4):
            await report(n)
        if params.number % 5 == 0:
            raise JobFailed("unlucky", "No.")
        if params.number % 7 == 0:
            await asyncio.Event().wait()  # until it is killed or cancelled
        return self.Result(text="x" * (params.number % 700))


class Told:
    """Prints every revision that is shown to anybody."""

    def notify(self, event: Any) -> None:
        if isinstance(event, Job):
            digest = hashlib.sha256(document(event)).hexdigest()
            say("end" if event.is_terminal else "seen", event.job_id, event.revision, digest)


def say(*words: object) -> None:
    """One line in one write, so that a kill cannot tear it."""
    os.write(1, (" ".join(map(str, words)) + "\n").encode())


async def live(path: Path, first: int) -> None:
    """Submits new keys and known ones, cancels now and then, until killed."""
    limits = JobLimits(max_pending=KEYS, max_running=40)
    async with Journal.open(path) as journal, JobService([Victim()], limits, journal=journal) as service:
        service.hub.add(Told())
        await asyncio.gather(*(submit(service, first + 100 * n) for n in range(4)))


async def submit(service: JobService, first: int) -> None:
    """A hundred submits, some of them again and again."""
    for number in range(first, first + 100):
        for known in (number, random.randint(max(0, number - 5), number)):
            job = await service.submit("victim", {"number": known}, key=f"k{known}")
            say("submit", f"k{known}", job.job_id)
        if number % 9 == 0:
            try:
                await service.cancel(job.job_id)
            except JobFinishedError:
                continue
    await asyncio.Event().wait()  # until it is killed


def main() -> None:
    """Forks a victim for each line, which holds the number of its first key."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    say("ready")
    for line in sys.stdin:
        pid = os.fork()
        if pid == 0:
            asyncio.run(live(Path(sys.argv[1]), int(line)))
            os._exit(1)
        say("born", pid)
        os.waitpid(pid, 0)
        say("dead", pid)


if __name__ == "__main__":
    main()
