"""Runs jobs of the table `job`: claims them, keeps their leases, writes only while they are its own.

It is the engine in process with another source of jobs and another end to a shutdown: what still runs then
goes back to wait for another worker. With no slots it runs nothing, as in a web process.
"""

import asyncio
import os
import secrets
import socket
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import LiteralString, Self

import structlog

from kameo_async.engines.postgres.errors import LostError, one_round
from kameo_async.engines.postgres.lost import hand_back
from kameo_async.engines.postgres.owned import OwnedJobs
from kameo_async.engines.postgres.queue import Taking, queues_of
from kameo_async.engines.postgres.rows import HEAD, OWNER, UPDATE, read_row
from kameo_async.engines.postgres.store import Changes, PostgresJobStore, changed
from kameo_async.jobs import models
from kameo_async.jobs.engine import EngineLimits, LocalEngine, Run
from kameo_async.jobs.errors import JobFinishedError, JobNotFoundError, UnavailableError
from kameo_async.jobs.job_log import log_end
from kameo_async.jobs.kind import Kind
from kameo_async.jobs.models import Cancellation, Job, JobStatus, Outcome, Progress
from kameo_async.jobs.subscription import Expired

log = structlog.get_logger()

RETRY_SECONDS = 0.5
CANCEL_SECONDS = 30.0  # a cancel is answered by then, with or without the end of the job

_NOW: LiteralString = "coalesce(%(now)s::timestamptz, now())"
_UNTIL: LiteralString = f"{_NOW} + make_interval(secs => %(lease)s)"
# Locked by another is a job that is being cancelled, or that a worker which lost it writes to in vain.
_CLAIM = (
    f"SELECT {HEAD}, result, {OWNER}, {_UNTIL} FROM job WHERE job_id = ANY(%(taken)s) AND status = 'pending'"
    " AND job_id <> ALL(%(held)s) FOR UPDATE SKIP LOCKED"
)
_BEAT = (
    f"UPDATE job SET lease_until = {_UNTIL} WHERE worker_id = %(worker_id)s AND status = 'running'"
    " AND job_id = ANY(%(held)s)"  # not what was claimed by a commit whose answer was lost: nobody runs it
    " RETURNING job_id, attempt, cancel_requested"
)
_ALIVE = (
    "INSERT INTO worker (worker_id, mode, kinds, slots, alive_until)"
    f" VALUES (%(worker_id)s, %(mode)s, %(kinds)s, %(slots)s, {_UNTIL})"
    " ON CONFLICT (worker_id) DO UPDATE SET alive_until = excluded.alive_until"
)
_FORGET_DEAD = f"DELETE FROM worker WHERE alive_until < {_NOW} - interval '1 hour'"
_LEAVE = "DELETE FROM worker WHERE worker_id = %s"


class PostgresEngine(LocalEngine):
    """The engine of one process; an async context manager.

    Mutable, beside what the engine in process has: `_owned.held` (attempts by job), `_gives_up` (the process
    leaves while the database is away: its jobs are found by their leases).
    """

    def __init__(
        self,
        store: PostgresJobStore,
        kinds: Mapping[str, Kind],
        limits: EngineLimits,
        *,
        slots: int,
        lease_seconds: float,
    ) -> None:
        self.worker_id = f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(4)}"
        self._jobs = store
        self._slots = slots
        self._lease_seconds = lease_seconds
        self._queues: Sequence[str] = ()
        self._owned = OwnedJobs(store, self.worker_id)
        self._wake = asyncio.Event()
        self._gives_up = False
        self._tasks: list[asyncio.Task[None]] = []
        super().__init__(self._owned, kinds, store.clock, limits)

    async def __aenter__(self) -> Self:
        if self._slots:
            self._queues = await queues_of(self._jobs.connections, self._jobs.mode, self._kinds)
            await self._beat()
            self._jobs.watch.ears.append(self._hear)
            loop = asyncio.get_running_loop()
            self._tasks = [loop.create_task(work(), name=work.__name__) for work in (self._claim, self._live)]
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._leave()

    async def enqueue(self, job: Job) -> None:
        self._wake.set()

    async def cancel(self, job_id: str) -> Job:
        has_waited = False

        def request(job: Job) -> Job:
            nonlocal has_waited
            has_waited = job.status is JobStatus.PENDING
            return models.request_cancel(job, self._clock.now(), self._limits.ttl_seconds)

        job = await self._jobs.apply(job_id, request)
        if has_waited:
            log_end(job)
        if job.status is JobStatus.RUNNING and (run := self._runs.get(job_id)):
            await asyncio.shield(self._stop(run, Cancellation(), self._limits.stop_seconds))
            job = run.job
        if not job.is_terminal:
            job = await self._end_of(job_id)
        if job.status is not JobStatus.CANCELLED:
            raise JobFinishedError(f"The job has already ended: {job.status}")
        return job

    async def close(self, grace_seconds: float) -> Sequence[str]:
        """Takes nothing more, gives running jobs the grace, and hands the rest back."""
        self._is_closed = True
        self._wake.set()
        last = grace_seconds + self._limits.stop_at_shutdown_seconds
        timer = asyncio.get_running_loop().call_later(last, self._give_up)
        if self._tasks:
            await asyncio.wait(self._tasks[:1])  # what it has just claimed is handed back too
        abandoned = await super().close(grace_seconds)
        timer.cancel()
        await self._leave()
        return abandoned

    async def _end_of(self, job_id: str) -> Job:
        """The job once the worker that has it has stopped it, or was found to be lost."""
        with suppress(TimeoutError):
            async with asyncio.timeout(CANCEL_SECONDS), await self._jobs.subscribe(job_id) as events:
                async for event in events:
                    if isinstance(event, Expired):
                        raise JobNotFoundError("Job not found")
                    if event.is_terminal:
                        return event
        raise UnavailableError(
            "The job is to be stopped, but its worker has not answered yet; try again later"
        )

    # What keeps a worker alive.

    def _hear(self, word: str, job_id: str) -> None:
        if word == "pending":
            self._wake.set()
        elif word == "cancel" and (run := self._runs.get(job_id)) and run.stop is None:
            self._stop(run, Cancellation(), self._limits.stop_seconds)

    async def _live(self) -> None:
        """A quarter of a lease apart, so that two beats may be lost."""
        while True:
            await asyncio.sleep(self._lease_seconds / 4)
            with one_round("worker.beat_failed"):
                await self._beat()

    async def _beat(self) -> None:
        held = dict(self._owned.held)
        values = self._values(kinds=list(self._kinds), slots=self._slots, held=list(held))
        async with self._jobs.connections.use() as connection:
            await connection.execute(_ALIVE, values)
            await connection.execute(_FORGET_DEAD, values)
            rows = await (await connection.execute(_BEAT, values)).fetchall() if held else []
        kept = {(job_id, attempt) for job_id, attempt, _ in rows}
        for job_id, attempt in held.items():
            if (job_id, attempt) not in kept and self._owned.held.get(job_id) == attempt:
                self._lose(job_id)
        for job_id, _, cancel_requested in rows:
            if cancel_requested:
                self._hear("cancel", job_id)

    def _lose(self, job_id: str) -> None:
        """The job is another's: its task is stopped, and the fence keeps the end from being written."""
        run = self._runs.get(job_id)
        if run is not None and not run.is_settled and run.stop is None:
            log.warning("job.taken_away", job_id=job_id)
            self._stop(run, Cancellation(), self._limits.stop_at_shutdown_seconds)

    async def _claim(self) -> None:
        while not self._is_closed:
            with one_round("worker.claim_failed"):
                while (free := self._free()) and await self._claim_some(free):
                    pass
            with suppress(TimeoutError):
                async with asyncio.timeout(1):
                    await self._wake.wait()
            self._wake.clear()

    def _free(self) -> int:
        return 0 if self._is_closed else self._slots - len(self._runs)

    async def _claim_some(self, free: int) -> int:
        with self._jobs.watch.write():
            taken, started = await self._claimed(free)
            claimed = [self._jobs.claimed(job) for job in started]
        for job in claimed:
            self._owned.hold(job)
        for job in claimed:
            await super().enqueue(job)
        return taken

    async def _claimed(self, limit: int) -> tuple[int, list[Job]]:
        """How many were taken out of the queue, and the jobs that are this worker's now, in their order."""
        claimed: dict[str, Job] = {}
        changes: list[Changes] = []
        async with self._jobs.connections.transaction() as connection:
            taking = Taking(connection)
            if not (taken := await taking.take(self._queues, limit)):
                return 0, []
            values = self._values(taken=taken, held=list(self._runs))
            for *values_, lease_until in await (await connection.execute(_CLAIM, values)).fetchall():
                row = read_row(tuple(values_))
                job = models.start(row.job, self._clock.now())
                mine = {"worker_id": self.worker_id, "lease_until": lease_until}
                changes.append(changed(row, job, **mine))
                claimed[job.job_id] = job
            await connection.cursor().executemany(UPDATE, changes)
            await taking.settle(claimed)
        return len(taken), [claimed[job_id] for job_id in taken if job_id in claimed]

    def _values(self, **more: object) -> dict[str, object]:
        return {
            "worker_id": self.worker_id,
            "mode": self._jobs.mode,
            "lease": self._lease_seconds,
            "now": self._jobs.connections.now(),
            **more,
        }

    def _give_up(self) -> None:
        self._gives_up = True

    async def _leave(self) -> None:
        """No worker any more."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._tasks:
            self._tasks = []
            with suppress(UnavailableError):
                async with self._jobs.connections.use() as connection:
                    await connection.execute(_LEAVE, (self.worker_id,))

    # What differs for a job that runs here.

    def _release(self, run: Run) -> None:
        if self._runs.get(run.job.job_id) is run:
            self._owned.held.pop(run.job.job_id, None)
        super()._release(run)
        self._wake.set()

    async def _report(self, job_id: str, progress: Progress) -> None:
        """Waits for a database that is away; what is newer by then comes after."""
        while True:
            try:
                return await super()._report(job_id, progress)
            except (LostError, JobNotFoundError):
                return self._lose(job_id)
            except UnavailableError:
                await asyncio.sleep(RETRY_SECONDS)

    async def _finish(self, job: Job, outcome: Outcome, progress: Progress | None = None) -> Job:
        """Waits for a database that is away, unless the process has to leave."""
        is_shutdown = isinstance(outcome, Cancellation) and outcome.failure is models.SHUTDOWN

        def end(job: Job) -> Job:
            """At the time of its writing: who looks for late changes looks only a little back."""
            if is_shutdown:
                return hand_back(job, self._jobs)
            return models.finish(job, outcome, progress, self._clock.now(), self._limits.ttl_seconds)

        while True:
            try:
                job = await self._owned.apply(job.job_id, end)
            except (LostError, JobNotFoundError):
                log.warning("job.end_refused", job_id=job.job_id)
                return job
            except UnavailableError:
                if self._gives_up:
                    log.warning("job.left_behind", job_id=job.job_id)
                    return job
                await asyncio.sleep(RETRY_SECONDS)
            else:
                log_end(job) if job.is_terminal else log.info("job.handed_back", job_id=job.job_id)
                return job
