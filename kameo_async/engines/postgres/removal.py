"""What removes finished jobs: their time, or the want of room. One process at a time does either."""

from datetime import datetime
from typing import Any

from kameo_async.engines.postgres.connections import Connection
from kameo_async.engines.postgres.words import SAY

Removed = tuple[Any, ...]  # id, kind and status of a job that was

REAPER_LOCK = 0x6B616D65 << 8 | 1

_ELECT = "SELECT pg_try_advisory_xact_lock(%s)"
_EXPIRED = (
    "WITH due AS MATERIALIZED (SELECT sequence, expires_at FROM job"
    " WHERE expires_at <= coalesce(%(now)s::timestamptz, now())"
    " ORDER BY expires_at, sequence LIMIT %(limit)s FOR UPDATE SKIP LOCKED),"
    " removed AS (DELETE FROM job USING due WHERE job.sequence = due.sequence"
    " RETURNING job.job_id, kind, status, due.expires_at, due.sequence)"
    " SELECT job_id, kind, status FROM removed ORDER BY expires_at, sequence"
)
_KEPT = "SELECT coalesce(sum(bytes), 0) FROM counted"
# The newest stays, however large it is.
_OLDEST = (
    "SELECT sequence, size FROM job WHERE finished_at IS NOT NULL AND sequence <> (SELECT sequence FROM job"
    " WHERE finished_at IS NOT NULL ORDER BY finished_at DESC, sequence DESC LIMIT 1)"
    " ORDER BY finished_at, sequence LIMIT 100"
)
# For an hour, should a process be cut off for long.
_REMEMBER = (
    "WITH old AS (DELETE FROM removed WHERE at < coalesce(%(now)s::timestamptz, now()) - interval '1 hour')"
    " INSERT INTO removed VALUES (coalesce(%(now)s::timestamptz, clock_timestamp()), %(words)s)"
)
_LATELY = "SELECT word FROM removed, unnest(words) word WHERE at > %s - make_interval(secs => %s) ORDER BY at"
_REMOVE = "DELETE FROM job WHERE sequence = ANY(%s) RETURNING sequence, job_id, kind, status"


async def expired(connection: Connection, limit: int, now: datetime | None) -> list[Removed]:
    """Inside a transaction: removes up to `limit` jobs whose time is over, the first to expire first."""
    if not await _is_elected(connection):
        return []
    cursor = await connection.execute(_EXPIRED, {"now": now, "limit": limit})
    removed = await cursor.fetchall()
    await _tell(connection, "expired", removed, now)
    return removed


async def surplus(connection: Connection, max_bytes: int, now: datetime | None) -> list[Removed]:
    """Removes the oldest finished jobs as long as more bytes are kept than may be."""
    removed: list[Removed] = []
    while await _kept(connection) > max_bytes:
        async with connection.transaction():
            step = await _remove_oldest(connection, max_bytes, now)
        if not step:
            break
        removed += step
    return removed


async def _remove_oldest(connection: Connection, max_bytes: int, now: datetime | None) -> list[Removed]:
    if not await _is_elected(connection):
        return []
    excess = await _kept(connection) - max_bytes
    chosen: list[int] = []
    for sequence, size in await (await connection.execute(_OLDEST)).fetchall():
        if excess <= 0:
            break
        chosen.append(sequence)
        excess -= size
    if not chosen:
        return []
    rows = await (await connection.execute(_REMOVE, (chosen,))).fetchall()
    by_sequence = {sequence: (job_id, kind, status) for sequence, job_id, kind, status in rows}
    removed = [by_sequence[sequence] for sequence in chosen if sequence in by_sequence]
    await _tell(connection, "early", removed, now)
    return removed


async def _tell(connection: Connection, word: str, removed: list[Removed], now: datetime | None) -> None:
    """In the same transaction, and written down: who does not hear it finds nothing to look at."""
    if removed:
        words = [f"{word} {job_id}" for job_id, *_ in removed]
        await connection.execute(_REMEMBER, {"words": words, "now": now})
        await connection.execute(SAY, (words,))


async def told_lately(connection: Connection, since: datetime, overlap_seconds: float) -> list[str]:
    """The words of what was removed since then, and a little before."""
    cursor = await connection.execute(_LATELY, (since, overlap_seconds))
    return [word for (word,) in await cursor.fetchall()]


async def _is_elected(connection: Connection) -> bool:
    return bool(await _one(connection, _ELECT, REAPER_LOCK))


async def _kept(connection: Connection) -> int:
    return int(await _one(connection, _KEPT))


async def _one(connection: Connection, statement: str, *values: Any) -> Any:
    row = await (await connection.execute(statement, values or None)).fetchone()
    return row[0] if row else None
