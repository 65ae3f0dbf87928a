"""What runs jobs: the protocol, and the engine in process, where each running job is one `asyncio.Task`."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Protocol

import structlog

from kameo_async.clock import Clock
from kameo_async.jobs import models, params
from kameo_async.jobs.document import encode
from kameo_async.jobs.errors import JobFailed, JobFinishedError
from kameo_async.jobs.kind import Kind
from kameo_async.jobs.models import Failure, Job, JobStatus, Progress, Transition
from kameo_async.jobs.report import Reporter
from kameo_async.jobs.store import JobStore
from kameo_async.jobs.uncancelled import uncancelled

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class EngineLimits:
    """Bounds of one engine; times in seconds of monotonic time."""

    max_running: int = 8
    timeout_seconds: float = 1200
    ttl_seconds: float = 3600
    stop_seconds: float = 5  # what a kind gets to stop before it is abandoned
    stop_at_shutdown_seconds: float = 1


class Engine(Protocol):
    """Runs the jobs of a store, each to a terminal state."""

    async def enqueue(self, job: Job) -> None:
        """Runs a pending job when its turn comes."""

    async def cancel(self, job_id: str) -> Job:
        """Cancels, and gives the job once its task has stopped.

        Raises JobNotFoundError, or JobFinishedError where it had ended otherwise.
        """

    async def close(self, grace_seconds: float) -> Sequence[str]:
        """Ends every job, running ones after the grace; gives the ids of those that would not stop."""


@dataclass(slots=True, eq=False)
class _Run:
    """A job that has a task. `verdict`, once set, is how the job ends, whatever its kind still does."""

    job_id: str
    task: asyncio.Task[None]
    verdict: Transition | None = None
    stop: asyncio.Task[None] | None = None


class LocalEngine:
    """Runs jobs in order of arrival, at most `max_running` at once.

    Mutable state, changed only in synchronous steps on the loop's thread: `_waiting` (ids, in order),
    `_runs` (jobs that have a task), `_abandoned` (tasks that would not stop), `_is_closed`.
    """

    def __init__(
        self, store: JobStore, kinds: Mapping[str, Kind], clock: Clock, limits: EngineLimits
    ) -> None:
        self._store = store
        self._kinds = kinds
        self._clock = clock
        self._limits = limits
        self._waiting: dict[str, None] = {}
        self._runs: dict[str, _Run] = {}
        self._abandoned: dict[asyncio.Task[None], str] = {}
        self._is_closed = False

    async def enqueue(self, job: Job) -> None:
        if self._is_closed:
            await self._settle(job.job_id, self._cancelled(models.SHUTDOWN))
            return
        self._waiting[job.job_id] = None
        self._fill()

    async def cancel(self, job_id: str) -> Job:
        now, ttl = self._clock.now(), self._limits.ttl_seconds
        job = await self._store.apply(job_id, lambda job: models.request_cancel(job, now, ttl))
        if job.status is JobStatus.RUNNING and (run := self._runs.get(job_id)):
            await asyncio.shield(self._stop(run, self._cancelled(), self._limits.stop_seconds))
            job = await self._store.get(job_id)
        self._waiting.pop(job_id, None)
        if job.status is not JobStatus.CANCELLED:
            raise JobFinishedError(f"The job has already ended: {job.status}")
        return job

    async def close(self, grace_seconds: float) -> Sequence[str]:
        self._is_closed = True
        waiting, self._waiting = self._waiting, {}
        for job_id in waiting:
            await self._store.apply(job_id, self._cancelled(models.SHUTDOWN))
        await self._all_done([run.task for run in self._runs.values()], grace_seconds)
        seconds = self._limits.stop_at_shutdown_seconds
        stops = [self._stop(run, self._cancelled(models.SHUTDOWN), seconds) for run in self._runs.values()]
        await asyncio.gather(*stops)
        return [job_id for task, job_id in self._abandoned.items() if not task.done()]

    def _fill(self) -> None:
        while self._waiting and len(self._runs) < self._limits.max_running and not self._is_closed:
            job_id = next(iter(self._waiting))
            del self._waiting[job_id]
            task = asyncio.get_running_loop().create_task(self._run(job_id), name=f"job-{job_id}")
            run = self._runs[job_id] = _Run(job_id, task)
            task.add_done_callback(partial(self._ended, run))

    def _ended(self, run: _Run, task: asyncio.Task[None]) -> None:
        self._abandoned.pop(task, None)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.critical("job.lost", job_id=run.job_id, exc_info=error)
        if run.stop is None:
            self._release(run)

    def _release(self, run: _Run) -> None:
        if self._runs.get(run.job_id) is run:
            del self._runs[run.job_id]
        self._fill()

    async def _run(self, job_id: str) -> None:
        """The task of one job: start, run, settle."""
        run = self._runs[job_id]
        now = self._clock.now()
        job = await self._store.apply(job_id, lambda job: models.start(job, now))
        if job.status is not JobStatus.RUNNING:
            return
        _bind_log(job)
        log.info("job.started", kind=job.kind)
        reporter = Reporter(partial(self._report, job_id), self._clock)
        deadline = self._clock.call_later(
            self._limits.timeout_seconds,
            lambda: self._stop(run, self._timed_out(), self._limits.stop_seconds),
        )
        try:
            outcome = await self._outcome(job, reporter)
        finally:
            deadline.cancel()
            progress = reporter.close()
        if run.verdict is None:
            await self._settle(job_id, self._finished(outcome, progress))

    async def _outcome(self, job: Job, reporter: Reporter) -> bytes | Failure:
        """What the kind made of it: its result as JSON, or why there is none."""
        run, kind = self._runs[job.job_id], self._kinds[job.kind]
        try:
            result = await kind.run(params.restore(kind.Params, job.params), reporter)
            return encode(kind.Result.model_validate(result))
        except JobFailed as failed:
            return Failure(failed.code, failed.message, failed.retryable)
        except asyncio.CancelledError:
            if run.verdict is not None:
                raise
            log.exception("job.crashed", kind=job.kind)
        except Exception:
            if run.verdict is None:
                log.exception("job.crashed", kind=job.kind)
        return models.INTERNAL

    async def _report(self, job_id: str, progress: Progress) -> None:
        now = self._clock.now()
        await self._store.apply(job_id, lambda job: models.report(job, progress, now))

    async def _settle(self, job_id: str, transition: Transition) -> None:
        job = await uncancelled(self._store.apply(job_id, transition))
        code = job.failure.code if job.failure else None
        log.info("job.finished", job_id=job_id, kind=job.kind, status=job.status, error_code=code)

    def _time_out(self, run: _Run) -> None:
        self._stop(run, self._timed_out(), self._limits.stop_seconds)

    def _stop(self, run: _Run, verdict: Transition, seconds: float) -> asyncio.Task[None]:
        """The task that ends a running job by `verdict`; the first verdict holds."""
        if run.stop is None:
            run.verdict = verdict
            run.stop = asyncio.get_running_loop().create_task(self._stopped(run, seconds))
        return run.stop

    async def _stopped(self, run: _Run, seconds: float) -> None:
        run.task.cancel()
        await self._all_done([run.task], seconds)
        if not run.task.done():
            self._abandoned[run.task] = run.job_id
            log.error("job.abandoned", job_id=run.job_id, after_seconds=seconds)
        if run.verdict is not None and not (await self._store.get(run.job_id)).is_terminal:
            await self._settle(run.job_id, run.verdict)
        self._release(run)

    async def _all_done(self, tasks: list[asyncio.Task[None]], seconds: float) -> None:
        """Returns when all are done, or after `seconds`."""
        if not tasks:
            return
        waiting = asyncio.ensure_future(asyncio.wait(tasks))
        timer = self._clock.call_later(seconds, waiting.cancel)
        try:
            await asyncio.wait([waiting])
        finally:
            timer.cancel()
            waiting.cancel()

    def _finished(self, outcome: bytes | Failure, progress: Progress | None) -> Transition:
        now, ttl = self._clock.now(), self._limits.ttl_seconds
        if isinstance(outcome, bytes):
            return lambda job: models.succeed(job, outcome, progress, now, ttl)
        return lambda job: models.fail(job, outcome, progress, now, ttl)

    def _cancelled(self, failure: Failure | None = None) -> Transition:
        ttl = self._limits.ttl_seconds
        return lambda job: models.cancel(job, self._clock.now(), ttl, failure)

    def _timed_out(self) -> Transition:
        seconds, ttl = self._limits.timeout_seconds, self._limits.ttl_seconds
        failure = Failure(models.TIMED_OUT, f"The job took longer than {seconds:g} seconds.", retryable=True)
        return lambda job: models.fail(job, failure, None, self._clock.now(), ttl)


def _bind_log(job: Job) -> None:
    """The job's own log context: its task inherits that of whoever made room for it."""
    structlog.contextvars.clear_contextvars()
    structlog.contextvars.bind_contextvars(job_id=job.job_id)
    if job.request_id is not None:
        structlog.contextvars.bind_contextvars(request_id=job.request_id)
