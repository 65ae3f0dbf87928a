"""The store as a worker's running jobs see it: writes are taken only for what the worker holds."""

from kameo_async.engines.postgres.errors import LostError
from kameo_async.engines.postgres.rows import Row
from kameo_async.engines.postgres.store import PostgresJobStore
from kameo_async.jobs.models import Job, Transition


class OwnedJobs:
    """Fences each write by worker and attempt, so that one that was given up can write no more.

    Mutable: `held` (the attempt of each job), `_fresh` (jobs just claimed, whose start is written).
    """

    def __init__(self, store: PostgresJobStore, worker_id: str) -> None:
        self.held: dict[str, int] = {}
        self._store = store
        self._worker_id = worker_id
        self._fresh: dict[str, Job] = {}

    def hold(self, job: Job) -> None:
        """The job was claimed."""
        self.held[job.job_id] = job.attempt
        self._fresh[job.job_id] = job

    async def apply(self, job_id: str, transition: Transition) -> Job:
        fresh = self._fresh.pop(job_id, None)
        if fresh is not None and transition(fresh) is fresh:
            return fresh
        attempt = self.held.get(job_id)

        def fence(row: Row) -> None:
            if row.job.is_terminal:
                return
            if (row.worker_id, row.job.attempt) != (self._worker_id, attempt):
                raise LostError("The job is another worker's by now")

        return await self._store.change(job_id, transition, fence)
