"""A kind whose every move is made by the test, one hand for each job, known by the job's `name` param."""

import asyncio
from collections import defaultdict
from typing import Any, Self

from pydantic import BaseModel

from kameo_async.jobs.kind import Report
from kameo_async.jobs.models import Job
from kameo_async.jobs.service import JobService
from tests.clock import FakeClock


class Hand:
    """Holds one job: what its `run` does next is what the test says."""

    def __init__(self) -> None:
        self.started = asyncio.Event()
        self.cancels = 0
        self.is_stubborn = False  # swallows cancels
        self._report: Report | None = None
        self._outcome: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    @property
    def report(self) -> Report:
        assert self._report is not None
        return self._report

    def finish(self, text: str = "done") -> None:
        if not self._outcome.done():
            self._outcome.set_result(text)

    def throw(self, error: BaseException) -> None:
        if not self._outcome.done():
            self._outcome.set_result("")
            self._error = error

    async def hold(self, report: Report) -> str:
        self._report = report
        self.started.set()
        while True:
            try:
                text = await asyncio.shield(self._outcome)
                break
            except asyncio.CancelledError:
                self.cancels += 1
                if not self.is_stubborn:
                    raise
        if (error := getattr(self, "_error", None)) is not None:
            raise error
        return text


class Puppet:
    kind = "puppet"
    title = "Puppet"
    description = "Does as the test says."

    class Params(BaseModel):
        """Which hand holds the job."""

        name: str = "a"

    class Result(BaseModel):
        """What the hand gave."""

        text: str

    def __init__(self) -> None:
        self.hands: defaultdict[str, Hand] = defaultdict(Hand)
        self.order: list[str] = []
        self.most_at_once = 0
        self._running = 0

    def __getitem__(self, name: str) -> Hand:
        return self.hands[name]

    async def run(self, params: Params, report: Report) -> BaseModel:
        self.order.append(params.name)
        self._running += 1
        self.most_at_once = max(self.most_at_once, self._running)
        try:
            return self.Result(text=await self.hands[params.name].hold(report))
        finally:
            self._running -= 1


class Housed(Puppet):
    """A puppet that is entered and left; may refuse to be entered."""

    def __init__(self, kind: str, diary: list[str], refuses: bool = False) -> None:
        super().__init__()
        self.kind = kind
        self._diary = diary
        self._refuses = refuses

    async def __aenter__(self) -> Self:
        if self._refuses:
            raise OSError("not today")
        self._diary.append(f"{self.kind} entered")
        return self

    async def __aexit__(self, *_: object) -> None:
        self._diary.append(f"{self.kind} left")


async def started(service: JobService, puppet: Puppet, name: str = "a", **how: Any) -> Job:
    """Submits a job of that name; gives it once its `run` has begun."""
    job = await service.submit("puppet", {"name": name}, **how)
    await in_time(puppet[name].started.wait())
    return await service.get(job.job_id)


async def ended(service: JobService, job: Job) -> Any:
    """The job once it has ended."""
    return await in_time(service.wait(job.job_id, lambda job: job.is_terminal, 1e9))


async def closed(service: JobService, clock: FakeClock, grace_seconds: float = 0) -> list[str]:
    """Closes, with all the time that it takes; gives what `close` gives."""
    closing = asyncio.ensure_future(service.close(grace_seconds))
    async with asyncio.timeout(10):
        while not closing.done():
            await clock.advance(0.5)
            await asyncio.sleep(0.0005)
    return list(await closing)


async def in_time(work: Any) -> Any:
    """What `work` gives; a test that would hang fails instead."""
    async with asyncio.timeout(10):
        return await work
