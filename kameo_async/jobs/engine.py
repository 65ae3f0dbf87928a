"""What runs jobs: the protocol, and the engine in process, where each running job is one `asyncio.Task`."""

import asyncio
from collections.abc import Mapping, Sequence
from contextvars import Context
from dataclasses import dataclass, field
from functools import partial
from typing import Protocol

import structlog

from kameo_async.clock import Clock
from kameo_async.jobs import models, params
from kameo_async.jobs.document import encode
from kameo_async.jobs.errors import JobFailed, JobFinishedError, UnavailableError
from kameo_async.jobs.job_log import bind_log, log_end, log_of
from kameo_async.jobs.kind import Kind
from kameo_async.jobs.models import Cancellation, Failure, Job, JobStatus, Outcome, Progress
from kameo_async.jobs.pace import Pace
from kameo_async.jobs.report import Reporter
from kameo_async.jobs.store import Writes
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

    async def keep_pace(self) -> None:
        """Holds one who has submitted a job up while those before it end, for 50 ms at most."""

    async def cancel(self, job_id: str) -> Job:
        """Cancels, and gives the job once its task has stopped.

        Raises JobNotFoundError, JobFinishedError where it had ended otherwise, UnavailableError where
        its end could not be kept yet.
        """

    async def close(self, grace_seconds: float) -> Sequence[str]:
        """Ends every job, running ones after the grace; gives the ids of those that would not stop."""


@dataclass(slots=True, eq=False)
class Run:
    """A job that has a task. `verdict`, once set, is how the job ends, whatever its kind still does."""

    job: Job  # as the run last saw it
    task: asyncio.Task[None] = field(init=False)
    patience: asyncio.Future[None] = field(init=False)  # done when the task has had its time to stop
    reporter: Reporter | None = None
    verdict: Outcome | None = None
    is_settled: bool = False
    stop: asyncio.Task[None] | None = None


class LocalEngine:
    """Runs jobs in order of arrival, at most `max_running` at once.

    Mutable state, changed only in synchronous steps on the loop's thread: `_waiting` (in order),
    `_runs` (jobs that have a task), `_abandoned` (tasks that would not stop), `_is_closed`.
    """

    def __init__(self, store: Writes, kinds: Mapping[str, Kind], clock: Clock, limits: EngineLimits) -> None:
        self._store = store
        self._kinds = kinds
        self._clock = clock
        self._limits = limits
        self._waiting: dict[str, Job] = {}
        self._runs: dict[str, Run] = {}
        self._abandoned: dict[asyncio.Task[None], str] = {}
        self._is_closed = False
        self._pace = Pace(clock, self._is_end_coming)

    async def enqueue(self, job: Job) -> None:
        self._waiting[job.job_id] = job
        self._fill()

    async def keep_pace(self) -> None:
        if self._is_long():
            await self._pace.hold()

    def _is_long(self) -> bool:
        """Whether more jobs wait than could begin at once."""
        return len(self._waiting) >= self._limits.max_running

    def _is_end_coming(self) -> bool:
        """Whether one is on its way to the disk, say, after which a place is free."""
        return any(run.is_settled for run in self._runs.values())

    async def cancel(self, job_id: str) -> Job:
        now, ttl = self._clock.now(), self._limits.ttl_seconds
        job = await self._store.apply(job_id, lambda job: models.request_cancel(job, now, ttl))
        if job.status is JobStatus.RUNNING and (run := self._runs.get(job_id)):
            await asyncio.shield(self._stop(run, Cancellation(), self._limits.stop_seconds))
            job = run.job
        elif self._waiting.pop(job_id, None) is not None or self._is_taken_back(job):
            log_end(job)
        if not job.is_terminal:
            raise UnavailableError("The job is stopped, but that cannot be kept yet; try again later")
        if job.status is not JobStatus.CANCELLED:
            raise JobFinishedError(f"The job has already ended: {job.status}")
        return job

    def _is_taken_back(self, job: Job) -> bool:
        """Whether the job ended while its task had not begun; it may have expired before it would."""
        run = self._runs.get(job.job_id)
        if run is None or not job.is_terminal or run.job.status is not JobStatus.PENDING:
            return False
        run.task.cancel()
        self._release(run)
        return True

    async def close(self, grace_seconds: float) -> Sequence[str]:
        self._is_closed = True
        waiting, self._waiting = self._waiting, {}
        self._pace.let_go()
        shutdown = Cancellation(models.SHUTDOWN)
        grace = self._all_done([run.task for run in self._runs.values()], grace_seconds)
        await asyncio.gather(grace, *[self._finish(job, shutdown) for job in waiting.values()])
        seconds = self._limits.stop_at_shutdown_seconds
        await asyncio.gather(*[self._stop(run, shutdown, seconds) for run in self._runs.values()])
        return [job_id for task, job_id in self._abandoned.items() if not task.done()]

    def _fill(self) -> None:
        loop = asyncio.get_running_loop()
        while self._waiting and len(self._runs) < self._limits.max_running and not self._is_closed:
            job_id = next(iter(self._waiting))
            run = self._runs[job_id] = Run(self._waiting.pop(job_id))
            # A context of its own: not that of whoever made room for the job.
            run.task = loop.create_task(self._run(run), name=f"job-{job_id}", context=Context())
            run.task.add_done_callback(partial(self._ended, run))

    def _ended(self, run: Run, task: asyncio.Task[None]) -> None:
        self._abandoned.pop(task, None)
        if run.stop is None:
            self._release(run)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.critical("job.lost", job_id=run.job.job_id, exc_info=error)

    def _release(self, run: Run) -> None:
        if self._runs.get(run.job.job_id) is run:
            del self._runs[run.job.job_id]
        self._fill()
        if self._is_long():
            self._pace.go_on()
        else:
            self._pace.let_go()

    async def _run(self, run: Run) -> None:
        """The task of one job: start, run, settle."""
        now = self._clock.now()
        try:
            run.job = await self._store.apply(run.job.job_id, lambda job: models.start(job, now))
        except UnavailableError:  # cancelled while it waited, which the store keeps when it can
            log_of(run.job).warning("job.end_delayed")
            return
        if run.job.status is not JobStatus.RUNNING:  # cancelled before this first step
            log_end(run.job)
            return
        bind_log(run.job)
        log.debug("job.started", kind=run.job.kind)
        reporter = run.reporter = Reporter(partial(self._report, run.job.job_id), self._clock)
        deadline = self._clock.call_later(self._limits.timeout_seconds, partial(self._time_out, run))
        try:
            outcome = await self._outcome(run, reporter)
        finally:
            deadline.cancel()
            reporter.close()
        if run.verdict is None:
            run.verdict = outcome
            await self._settle(run)

    async def _outcome(self, run: Run, report: Reporter) -> Outcome:
        """What the kind made of it: its result as JSON, or why there is none."""
        kind = self._kinds[run.job.kind]
        try:
            result = await kind.run(params.restore(kind.Params, run.job.params), report)
            return encode(kind.Result.model_validate(result))
        except JobFailed as failed:
            return Failure(models.text(failed.code), models.text(failed.message), bool(failed.retryable))
        except BaseException as error:  # a kind's `sys.exit()` ends its job, not the service
            if isinstance(error, asyncio.CancelledError) and run.verdict is not None:
                return run.verdict  # not raised: the task would keep the error, and so its frames and the run
            if not _is_running(run.task):
                raise
            log.exception("job.crashed", kind=run.job.kind)
            return models.INTERNAL

    async def _report(self, job_id: str, progress: Progress) -> None:
        now = self._clock.now()
        await self._store.apply(job_id, lambda job: models.report(job, progress, now))

    async def _settle(self, run: Run) -> None:
        """Ends the job by the run's verdict, not lost to a cancel meanwhile; only the first call does."""
        if not run.is_settled and run.verdict is not None:
            run.is_settled = True
            await uncancelled(self._end(run, run.verdict))

    async def _end(self, run: Run, verdict: Outcome) -> None:
        progress = run.reporter.close() if run.reporter else None
        run.job = await self._finish(run.job, verdict, progress)

    async def _finish(self, job: Job, outcome: Outcome, progress: Progress | None = None) -> Job:
        """What the store cannot keep yet, it keeps when it can."""
        now, ttl = self._clock.now(), self._limits.ttl_seconds
        try:
            job = await self._store.apply(
                job.job_id, lambda job: models.finish(job, outcome, progress, now, ttl)
            )
        except UnavailableError:
            log_of(job).warning("job.end_delayed")
        else:
            log_end(job)
        return job

    def _time_out(self, run: Run) -> None:
        seconds = self._limits.timeout_seconds
        message = f"The job took longer than {seconds:g} seconds."
        self._stop(run, Failure(models.TIMED_OUT, message, retryable=True), self._limits.stop_seconds)

    def _stop(self, run: Run, verdict: Outcome, seconds: float) -> asyncio.Task[None]:
        """The task that stops a run and ends its job; the first verdict holds, and the least patience.

        Where the run is settling already, it has ended by its own.
        """
        if run.stop is None:
            run.verdict = verdict
            run.patience = asyncio.get_running_loop().create_future()
            run.stop = asyncio.get_running_loop().create_task(
                self._stopped(run), name=f"stop-{run.job.job_id}"
            )
        timer = self._clock.call_later(seconds, run.patience.cancel)
        run.stop.add_done_callback(lambda _: timer.cancel())
        return run.stop

    async def _stopped(self, run: Run) -> None:
        run.task.cancel()
        try:
            await asyncio.wait([run.task, run.patience], return_when=asyncio.FIRST_COMPLETED)
            if not run.task.done():
                self._abandoned[run.task] = run.job.job_id
                log_of(run.job).error("job.abandoned")
            await self._settle(run)
        finally:
            self._release(run)

    async def _all_done(self, tasks: Sequence[asyncio.Task[None]], seconds: float) -> None:
        """Returns when all are done, or after `seconds`."""
        if tasks:
            waiting = asyncio.ensure_future(asyncio.wait(tasks))
            timer = self._clock.call_later(seconds, waiting.cancel)
            await asyncio.wait([waiting])
            timer.cancel()


def _is_running(task: asyncio.Task[None]) -> bool:
    """Not so where what is left of it is closed, with its loop or by the garbage collector."""
    try:
        return asyncio.current_task() is task
    except RuntimeError:  # no loop runs
        return False
