"""Jobs whose worker was lost: they run again elsewhere, a few times."""

from functools import partial
from typing import TYPE_CHECKING

import structlog

from kameo_async.engines.postgres.rows import HEAD, OWNER, UPDATE, Row, read_row, written
from kameo_async.jobs import models
from kameo_async.jobs.models import Cancellation, Job, JobStatus, Transition

if TYPE_CHECKING:
    from kameo_async.engines.postgres.store import PostgresJobStore

log = structlog.get_logger()

MAX_LOSSES = 3

# After a start of the server itself all workers get the time of a lease to be heard again.
_LOST = (
    f"SELECT {HEAD}, result, {OWNER} FROM job WHERE status = 'running'"
    " AND lease_until < coalesce(%(now)s::timestamptz, now())"
    " AND (%(now)s::timestamptz IS NOT NULL"
    " OR pg_postmaster_start_time() < now() - make_interval(secs => %(lease)s))"
    " LIMIT 100 FOR UPDATE SKIP LOCKED"
)


async def requeue_lost(store: "PostgresJobStore", lease_seconds: float) -> list[Job]:
    """Gives jobs back whose lease is over, or ends those lost too often; gives what became of them."""
    changed: list[Job] = []
    now = store.connections.now()
    async with store.connections.transaction() as connection:
        cursor = await connection.execute(_LOST, {"now": now, "lease": lease_seconds})
        for values in await cursor.fetchall():
            row = read_row(values)
            after = _transition(row, store)(row.job)
            await connection.execute(
                UPDATE, written(after, worker_id=None, losses=row.losses + 1, lease_until=None)
            )
            log.warning("job.worker_lost", job_id=after.job_id, worker_id=row.worker_id, status=after.status)
            changed.append(after)
    return changed


def _transition(row: Row, store: "PostgresJobStore") -> Transition:
    now, ttl = store.clock.now(), store.ttl_seconds
    if row.job.cancel_requested or row.losses + 1 >= MAX_LOSSES:
        outcome = Cancellation() if row.job.cancel_requested else models.WORKER_LOST
        return partial(models.finish, outcome=outcome, progress=None, now=now, ttl_seconds=ttl)
    return partial(models.requeue, now=now)


def hand_back(job: Job, store: "PostgresJobStore") -> Job:
    """What becomes of a running job whose worker stops: no shutdown ends it."""
    now = store.clock.now()
    if job.cancel_requested:
        return models.finish(job, Cancellation(), None, now, store.ttl_seconds)
    return models.requeue(job, now) if job.status is JobStatus.RUNNING else job
