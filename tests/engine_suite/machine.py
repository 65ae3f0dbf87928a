"""Jobs against a simple model, in any order: the rules that every engine must keep.

The model is a list of jobs, what each must be, and a clock in whole seconds. After each rule the service
must show just that, no terminal job may differ from what it was, and every listener must have seen
growing revisions up to the last.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from structlog.testing import capture_logs

from kameo_async.jobs.document import document
from kameo_async.jobs.errors import (
    JobFailed,
    JobFinishedError,
    KeyReusedError,
    OverloadedError,
)
from kameo_async.jobs.models import Job
from kameo_async.jobs.service import JobLimits, JobService
from kameo_async.jobs.subscription import Expired, Subscription
from tests.clock import FakeClock, idle
from tests.engine_suite.puppet import Puppet

LIMITS = JobLimits(
    ttl_seconds=6, reap_interval_seconds=1, timeout_seconds=9, max_running=2, max_pending=3, grace_seconds=2
)


@dataclass
class Expected:
    """What the model knows of one job."""

    name: str
    job_id: str
    key: str | None
    status: str = "pending"
    code: str | None = None
    since: int = 0  # the second of its start, then of its end
    progress: int | None = None
    end: bytes | None = None  # its document, once it has ended
    revision: int = 0


@dataclass
class Ear:
    """A listener and what it heard."""

    subscription: Subscription
    job_id: str | None
    revisions: dict[str, list[int]] = field(default_factory=dict)
    expired: set[str] = field(default_factory=set)
    has_ended: bool = False


class JobsMachine(RuleBasedStateMachine):
    """Rules over a service in process; `enter`, `rest`, `leave`, `end` are what another engine replaces."""

    may_jump = True  # whether nothing depends on the wall clock

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.clock = FakeClock()
        self.second = 0
        self.submits = 0
        self.jobs: dict[str, Expected] = {}
        self.ears: list[Ear] = []
        self.puppet: Puppet
        self.service: JobService
        self.logs = capture_logs()
        self.logs.__enter__()
        self.do(self._start)

    async def enter(self) -> JobService:
        return await JobService([self.puppet], LIMITS, self.clock).__aenter__()

    async def rest(self) -> None:
        await idle()

    async def leave(self) -> None:
        closing = asyncio.ensure_future(self.service.close(0))
        while not closing.done():
            await self.clock.advance(0)
            await self.rest()

    async def end(self) -> None:
        """Gives back what `enter` took, when nobody looks any more."""

    async def _start(self) -> None:
        self.puppet = Puppet()
        self.service = await self.enter()

    def do(self, what: Callable[..., Awaitable[Any]], *args: Any) -> Any:
        async def done() -> Any:
            async with asyncio.timeout(10):
                answer = await what(*args)
                await self.rest()
            return answer

        answer = self.runner.run(done())
        self._model_starts()
        return answer

    def teardown(self) -> None:
        """Everything ends at a close, and no task is left."""
        try:
            assert self.runner.run(self._left()) == set()
            self.model_closes()
            self.all_is_as_the_model_says()
        finally:
            self.runner.run(self.end())
            self.runner.close()
            self.logs.__exit__(None, None, None)

    async def _left(self) -> set[Any]:
        await self.leave()
        await self.rest()
        return asyncio.all_tasks() - {asyncio.current_task()}

    # The model.

    def _of(self, *statuses: str) -> list[Expected]:
        return [job for job in self.jobs.values() if job.status in statuses]

    def model_closes(self) -> None:
        for job in self._of("running", "pending"):
            self._model_end(job, "cancelled", "shutdown")

    def _model_starts(self) -> None:
        while (waiting := self._of("pending")) and len(self._of("running")) < LIMITS.max_running:
            waiting[0].status, waiting[0].since = "running", self.second

    def _model_end(self, job: Expected, status: str, code: str | None = None) -> None:
        job.status, job.code, job.since = status, code, self.second

    # The rules.

    @rule(key=st.sampled_from([None, None, "k1", "k2"]))
    def submit(self, key: str | None) -> None:
        self.submits += 1
        name = f"job{self.submits}"
        taken = [job for job in self.jobs.values() if key is not None and job.key == key]
        try:
            job = self.do(lambda: self.service.submit("puppet", {"name": name}, key=key))
        except KeyReusedError:
            assert taken
        except OverloadedError:
            assert not taken
            assert len(self._of("pending", "running")) == LIMITS.max_running + LIMITS.max_pending
        else:
            assert not taken
            self.jobs[job.job_id] = Expected(name, job.job_id, key)
            self._model_starts()

    @rule(pick=st.integers(0, 9))
    @precondition(lambda self: any(job.key for job in self.jobs.values()))
    def submit_again(self, pick: int) -> None:
        keyed = [job for job in self.jobs.values() if job.key]
        known = keyed[pick % len(keyed)]
        job = self.do(lambda: self.service.submit("puppet", {"name": known.name}, key=known.key))
        assert job.job_id == known.job_id

    @rule(pick=st.integers(0, 9), done=st.integers(0, 3))
    @precondition(lambda self: self._of("running"))
    def report(self, pick: int, done: int) -> None:
        job = self._picked(pick, "running")
        self.do(lambda: self.puppet[job.name].report(done))
        job.progress = done

    @rule(pick=st.integers(0, 9))
    @precondition(lambda self: self._of("running"))
    def finish(self, pick: int) -> None:
        job = self._picked(pick, "running")
        self._model_end(job, "success")
        self.do(self._now, lambda: self.puppet[job.name].finish())

    @rule(pick=st.integers(0, 9), is_told=st.booleans())
    @precondition(lambda self: self._of("running"))
    def fail(self, pick: int, is_told: bool) -> None:
        job = self._picked(pick, "running")
        error = JobFailed("odd", "No.") if is_told else KeyError("x")
        self._model_end(job, "failed", "odd" if is_told else "internal")
        self.do(self._now, lambda: self.puppet[job.name].throw(error))

    @rule(pick=st.integers(0, 9), steps=st.integers(0, 6), is_finished=st.booleans())
    @precondition(lambda self: self.jobs)
    def cancel(self, pick: int, steps: int, is_finished: bool) -> None:
        """Perhaps against a finish, `steps` of the loop after it."""
        job = self._picked(pick)

        async def race() -> object:
            if is_finished and job.status == "running":
                self.puppet[job.name].finish()
                for _ in range(steps):
                    await asyncio.sleep(0)
            try:
                return (await self.service.cancel(job.job_id)).status
            except JobFinishedError:
                return None

        was = job.status
        answer = self.do(race)
        if was in ("pending", "running"):
            assert answer == "cancelled" or (was == "running" and is_finished)
            self._model_end(job, "cancelled" if answer else "success")
            self._model_starts()
        else:
            assert (answer == "cancelled") == (was == "cancelled")

    @rule(seconds=st.integers(1, 5))
    def let_time_pass(self, seconds: int) -> None:
        for _ in range(seconds):
            self.second += 1
            for job in self._of("running"):
                if self.second - job.since == LIMITS.timeout_seconds:
                    self._model_end(job, "failed", "timeout")
            for job in self._of("success", "failed", "cancelled"):
                if self.second - job.since >= LIMITS.ttl_seconds:
                    del self.jobs[job.job_id]
            self.do(self.clock.advance, 1)

    @rule(seconds=st.sampled_from([-5000, 5000]))
    @precondition(lambda self: self.may_jump)
    def let_the_wall_clock_jump(self, seconds: int) -> None:
        self.clock.jump(seconds)

    @rule(pick=st.integers(0, 9), of_all=st.booleans())
    @precondition(lambda self: self.jobs)
    def subscribe(self, pick: int, of_all: bool) -> None:
        job_id = None if of_all else self._picked(pick).job_id
        self.ears.append(Ear(self.do(lambda: self.service.subscribe(job_id)), job_id))

    @rule(pick=st.integers(0, 9))
    @precondition(lambda self: self.ears)
    def listen(self, pick: int) -> None:
        self.do(self._hear, self.ears[pick % len(self.ears)])

    # What must hold.

    @invariant()
    def all_is_as_the_model_says(self) -> None:
        self.shows_what_the_model_says()
        self.every_listener_ends_at_the_last_revision()

    def shows_what_the_model_says(self) -> None:
        page = self.runner.run(self.service.list(limit=100))
        newest_first = list(self.jobs.values())[::-1]
        assert [job.job_id for job in page.jobs] == [job.job_id for job in newest_first]
        for job, expected in zip(page.jobs, newest_first, strict=True):
            self._check(job, expected)
        counted: dict[Any, int] = {}
        for expected in newest_first:
            counted["puppet", expected.status] = counted.get(("puppet", expected.status), 0) + 1
        assert {which: count for which, count in self.service.counts().items() if count} == counted
        assert self.service.active_jobs == len(self._of("pending", "running"))

    def every_listener_ends_at_the_last_revision(self) -> None:
        for ear in self.ears:
            self.runner.run(self._hear(ear))
            for expected in self.jobs.values():
                heard = ear.revisions.get(expected.job_id)
                if heard or ear.job_id == expected.job_id:
                    assert heard
                    assert heard[-1] == expected.revision
            assert not ear.expired & self.jobs.keys()

    def _check(self, job: Job, expected: Expected) -> None:
        assert (job.status, job.failure and job.failure.code) == (expected.status, expected.code)
        assert job.revision >= expected.revision
        if expected.end is not None:
            assert document(job) == expected.end
        if job.is_terminal:
            expected.end = document(job)
            assert (job.progress and job.progress.done) == expected.progress
        expected.revision = job.revision

    def _picked(self, pick: int, *statuses: str) -> Expected:
        jobs = self._of(*statuses) if statuses else list(self.jobs.values())
        return jobs[pick % len(jobs)]

    async def _now(self, what: Callable[[], None]) -> None:
        what()

    async def _hear(self, ear: Ear) -> None:
        """All that the listener has been sent so far."""
        while not ear.has_ended:
            step = asyncio.ensure_future(anext(ear.subscription))
            await idle()
            if not step.done():
                step.cancel()
                await asyncio.gather(step, return_exceptions=True)
                return
            self._heard(ear, step)

    def _heard(self, ear: Ear, step: asyncio.Future[Any]) -> None:
        if isinstance(step.exception(), StopAsyncIteration):
            ear.has_ended = True
        elif isinstance(event := step.result(), Expired):
            ear.expired.add(event.job_id)
        else:
            heard = ear.revisions.setdefault(event.job_id, [])
            assert not heard or heard[-1] < event.revision
            assert event.job_id not in ear.expired
            heard.append(event.revision)
