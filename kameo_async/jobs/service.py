"""The jobs as everybody else sees them: submit, get, list, cancel, subscribe, close."""

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from dataclasses import dataclass
from functools import partial
from types import TracebackType
from typing import Any, Self

import structlog

from kameo_async.clock import Clock, SystemClock
from kameo_async.jobs import params as job_params
from kameo_async.jobs.engine import Engine, EngineLimits, LocalEngine
from kameo_async.jobs.errors import DrainingError, JobNotFoundError, UnknownKindError
from kameo_async.jobs.journal import Journal
from kameo_async.jobs.journaled_store import JournaledJobStore
from kameo_async.jobs.kind import Kind, by_name, entered
from kameo_async.jobs.loop_thread import LoopThread, on_loop_thread
from kameo_async.jobs.models import Job, JobStatus, new_job
from kameo_async.jobs.reaper import Reaper
from kameo_async.jobs.store import JobFilter, JobPage, JobStore, MemoryJobStore
from kameo_async.jobs.subscription import Expired, Hub, Subscription
from kameo_async.jobs.uncancelled import begun

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class JobLimits:
    """Bounds of a service in process; times in seconds."""

    ttl_seconds: float = 3600
    reap_interval_seconds: float = 30
    timeout_seconds: float = 1200
    max_running: int = 8
    max_pending: int = 1000
    max_kept_bytes: int = 268_435_456
    grace_seconds: float = 10


MakeParts = Callable[[Mapping[str, Kind], JobLimits], tuple[JobStore, Engine]]


class JobService:
    """Runs jobs of any kind; an async context manager, usable in a plain script without HTTP.

    A service belongs to the thread of the loop that it was entered on; a call from another one raises
    WrongThreadError. With a journal, which must have been entered, a restart loses nothing. `parts` makes
    another store and engine than those in process; what of them is an async context manager is entered.
    """

    def __init__(
        self,
        kinds: Iterable[Kind],
        limits: JobLimits = JobLimits(),
        clock: Clock | None = None,
        journal: Journal | None = None,
        parts: MakeParts | None = None,
    ) -> None:
        self.kinds: Mapping[str, Kind] = by_name(kinds)
        self._limits = limits
        self._clock = clock or SystemClock()
        self._thread = LoopThread()
        self._exit = AsyncExitStack()
        self._is_draining = False
        self._accepting: set[asyncio.Future[tuple[Job, bool]]] = set()
        self._closing: asyncio.Task[Sequence[str]] | None = None
        self._store, self._engine = (parts or partial(_in_process, self._clock, journal))(self.kinds, limits)
        self.reaper = Reaper(self._store, self._clock, limits.reap_interval_seconds)

    async def __aenter__(self) -> Self:
        self._thread = LoopThread()
        async with AsyncExitStack() as stack:
            for part in (self._store, *map(entered, self.kinds.values()), self._engine):
                if isinstance(part, AbstractAsyncContextManager):
                    await stack.enter_async_context(part)
            await stack.enter_async_context(self.reaper)
            self._exit = stack.pop_all()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    @property
    def hub(self) -> Hub:
        """Where a `Listener` of all changes is added."""
        return self._store.hub

    @property
    def is_ready(self) -> bool:
        """Whether it takes jobs, keeps and expires them."""
        return not self._is_draining and self.reaper.is_alive and self._store.is_writable

    @property
    def active_jobs(self) -> int:
        """How many jobs wait or run."""
        active = (JobStatus.PENDING, JobStatus.RUNNING)
        return sum(count for (_, status), count in self._store.counts().items() if status in active)

    @property
    def workers(self) -> Mapping[str, int] | None:
        """How many workers are alive, by mode; None where this process runs its jobs itself."""
        return self._store.workers

    @property
    def warnings(self) -> Sequence[str]:
        """What people should know of the jobs that wait, a sentence each."""
        return self._store.warnings

    def counts(self) -> Mapping[tuple[str, JobStatus], int]:
        """How many jobs are kept, by kind and status."""
        return self._store.counts()

    @on_loop_thread
    async def submit(
        self,
        kind: str,
        params: Mapping[str, Any] | None = None,
        *,
        key: str | None = None,
        request_id: str | None = None,
        is_awaited: bool = False,
    ) -> Job:
        """Starts a job and gives it, pending; `params` are JSON values. A known `key` gives its job as it is.

        Who submits is held up while jobs before this one end, but not one by whom the job `is_awaited`:
        waiting for its end keeps that one to the jobs' pace anyway.

        Raises UnknownKindError, InvalidParamsError, KeyReusedError, OverloadedError, DrainingError, and
        UnavailableError when jobs cannot be kept.
        """
        if kind not in self.kinds:
            raise UnknownKindError(f"No kind of job is named {kind!r}")
        checked = job_params.validate(self.kinds[kind].Params, params or {})
        if self._is_draining:
            raise DrainingError("The service is shutting down; try again later")
        job = new_job(kind, job_params.canonical(checked), self._clock.now(), request_id)
        # Once accepted it must also be queued, whatever becomes of the caller.
        accepting = begun(self._accept(job, key), "accept-job")
        if not accepting.done():
            self._accepting.add(accepting)
            accepting.add_done_callback(self._accepting.discard)
        kept, is_new = await asyncio.shield(accepting)
        if is_new and not is_awaited:
            await self._engine.keep_pace()
        return kept

    async def _accept(self, job: Job, key: str | None) -> tuple[Job, bool]:
        kept, is_new = await self._store.add(job, key)
        if is_new:
            log.info("job.submitted", job_id=job.job_id, kind=job.kind)
            await self._engine.enqueue(job)
        return kept, is_new

    @on_loop_thread
    async def get(self, job_id: str) -> Job:
        """The newest revision. Raises JobNotFoundError."""
        return await self._store.get(job_id)

    @on_loop_thread
    async def list(
        self,
        *,
        status: JobStatus | None = None,
        kind: str | None = None,
        limit: int = 20,
        cursor: int | None = None,
    ) -> JobPage:
        """Jobs, newest first; `cursor` is the `next_cursor` of the page before."""
        return await self._store.page(JobFilter(status, kind), limit, cursor)

    @on_loop_thread
    async def cancel(self, job_id: str) -> Job:
        """Cancels, and gives the job once its task has stopped; again on a cancelled one: the same.

        Raises JobNotFoundError, JobFinishedError.
        """
        return await self._engine.cancel(job_id)

    @on_loop_thread
    async def subscribe(self, job_id: str | None = None, since: int = 0) -> Subscription:
        """The newest revisions of one job, or of all, as they come; first of one job: as it is now.

        `since` leaves out the revisions up to it. Raises JobNotFoundError.
        """
        return await self._store.subscribe(job_id, since)

    @on_loop_thread
    async def wait(self, job_id: str, until: Callable[[Job], bool], seconds: float) -> Job:
        """The job as soon as `until` holds, or after `seconds`. Raises JobNotFoundError."""
        async with await self._store.subscribe(job_id) as subscription:
            timer = self._clock.call_later(seconds, subscription.close)
            try:
                async for event in subscription:
                    if isinstance(event, Expired):
                        raise JobNotFoundError("Job not found")
                    if until(event):
                        return event
            finally:
                timer.cancel()
        return await self._store.get(job_id)

    @on_loop_thread
    def drain(self) -> None:
        """Takes no more jobs."""
        self._is_draining = True

    @on_loop_thread
    async def close(self, grace_seconds: float | None = None) -> Sequence[str]:
        """Drains, gives running jobs the grace, ends the rest as cancelled by the shutdown.

        Gives the ids of jobs whose tasks would not stop. Again: waits for the same close.
        """
        self.drain()
        if self._closing is None:
            grace = self._limits.grace_seconds if grace_seconds is None else grace_seconds
            self._closing = asyncio.get_running_loop().create_task(self._close(grace), name="close-jobs")
        return await asyncio.shield(self._closing)

    async def _close(self, grace_seconds: float) -> Sequence[str]:
        if self._accepting:
            await asyncio.wait(self._accepting)
        abandoned = await self._engine.close(grace_seconds)
        await self._store.hub.told()
        try:
            await self._exit.aclose()
        except Exception:
            log.exception("kind.not_left")
        return abandoned


def _in_process(
    clock: Clock, journal: Journal | None, kinds: Mapping[str, Kind], limits: JobLimits
) -> tuple[JobStore, Engine]:
    make = MemoryJobStore if journal is None else partial(JournaledJobStore, journal)
    store = make(
        clock,
        ttl_seconds=limits.ttl_seconds,
        max_unfinished=limits.max_running + limits.max_pending,
        max_kept_bytes=limits.max_kept_bytes,
    )
    bounds = EngineLimits(limits.max_running, limits.timeout_seconds, limits.ttl_seconds)
    return store, LocalEngine(store, kinds, clock, bounds)
