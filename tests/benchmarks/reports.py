"""Polls while jobs report without pause."""

import threading
from contextlib import ExitStack
from pathlib import Path

from tests.benchmarks.listeners import Listeners, listening
from tests.benchmarks.load import blast, ratio
from tests.benchmarks.report import Report
from tests.benchmarks.servers import RESULT_CHARACTERS, ask, service

JOBS, LISTENERS = 8, 100


def measure(report: Report, folder: Path, quick: bool) -> None:
    """Eight jobs, a hundred listeners each, a thousand reports a second from each; quiet rounds between."""
    seconds = 1 if quick else 2
    with service(folder) as ours:
        url = ours.job_url(ours.start_job("nothing", wait=True, size=RESULT_CHARACTERS))
        busy, quiet = [], []
        for _ in range(2):
            quiet.append(blast(url, folder, seconds).rate)
            jobs = [ours.start_job("chatter", seconds=60) for _ in range(JOBS)]
            with ExitStack() as stack:
                for job in jobs:
                    events = f"{ours.url}{job['links']['events']}"
                    _drain_meanwhile(stack, stack.enter_context(listening(events, LISTENERS)))
                busy.append(blast(url, folder, seconds).rate)
            for job in jobs:
                ask(ours.job_url(job), "DELETE")
        report.set("reports", ratio(busy, quiet))


def _drain_meanwhile(stack: ExitStack, listeners: Listeners) -> None:
    """Reads in a thread of its own until the stack is left."""
    ended = threading.Event()

    def read() -> None:
        while not ended.is_set():
            listeners.drain(0.05)

    reader = threading.Thread(target=read)
    reader.start()
    stack.callback(reader.join)
    stack.callback(ended.set)
