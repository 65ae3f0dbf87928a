"""Pages of the list, and how many jobs match."""

from typing import Any, LiteralString

from kameo_async.engines.postgres.connections import Connection
from kameo_async.engines.postgres.rows import HEAD, read
from kameo_async.jobs.models import Job
from kameo_async.jobs.store import JobFilter, JobPage

# Those that wait or run are few, and counted; the finished ones were counted as they came and went.
_UNFINISHED = "SELECT count(*) FROM job WHERE status IN ('pending', 'running')"
_FINISHED = "SELECT coalesce(sum(jobs), 0)::bigint FROM kept"


async def page(connection: Connection, which: JobFilter, limit: int, cursor: int | None) -> JobPage:
    """Up to `limit` jobs older than `cursor`, without their results."""
    matches, values = _filter(which)
    older = "true" if cursor is None else "sequence < %(cursor)s"
    cursor_ = await connection.execute(
        f"SELECT sequence, {HEAD} FROM job WHERE {matches} AND {older}"
        " ORDER BY sequence DESC LIMIT %(limit)s",
        {**values, "cursor": cursor, "limit": limit + 1},
    )
    rows = await cursor_.fetchall()
    shown = rows[:limit]
    following = shown[-1][0] if len(rows) > limit else None
    return JobPage(tuple(_job(row) for row in shown), await _total(connection, matches, values), following)


def _job(row: tuple[Any, ...]) -> Job:
    _, *head = row
    return read(head, None)


def _filter(which: JobFilter) -> tuple[LiteralString, dict[str, Any]]:
    parts: list[LiteralString] = []
    if which.kind is not None:
        parts.append("kind = %(kind)s")
    if which.status is not None:
        parts.append("status = %(status)s")
    return " AND ".join(parts) or "true", {"kind": which.kind, "status": which.status and str(which.status)}


async def _total(connection: Connection, matches: LiteralString, values: dict[str, Any]) -> int:
    counted = f"SELECT ({_UNFINISHED} AND {matches}) + ({_FINISHED} WHERE {matches})"
    row = await (await connection.execute(counted, values)).fetchone()
    return int(row[0]) if row else 0
