"""Pages of the list, and how many jobs match."""

from typing import Any, LiteralString

from kameo_async.engines.postgres.connections import Connection
from kameo_async.engines.postgres.rows import HEAD, read
from kameo_async.jobs.models import Job
from kameo_async.jobs.store import JobFilter, JobPage

# Those that wait or run are few, and counted; the finished ones were counted as they came and went.
_UNFINISHED = "SELECT count(*) FROM job WHERE status IN ('pending', 'running')"
_FINISHED = "SELECT coalesce(sum(jobs), 0)::bigint FROM counted WHERE status <> 'unfinished'"

Columns = tuple[LiteralString, ...]
_NEWEST = 2**63 - 1


async def page(connection: Connection, which: JobFilter, limit: int, cursor: int | None) -> JobPage:
    """Up to `limit` jobs older than `cursor`, without their results."""
    columns, values = _filter(which)
    asked = {**values, "cursor": _NEWEST if cursor is None else cursor}
    rows = await (await connection.execute(_page(columns, limit + 1), asked)).fetchall()
    shown = rows[:limit]
    following = shown[-1][0] if len(rows) > limit else None
    return JobPage(tuple(_job(row) for row in shown), await _total(connection, columns, values), following)


def _page(columns: Columns, count: int) -> bytes:
    """As a range of the index of just these columns, where equalities would let the planner choose.

    It would walk through the newest jobs of all kinds, and where a kind has only old ones, through a million.
    With the count as a parameter it would plan anew each time, for a tenth of all rows.
    """
    key = ", ".join((*columns, "sequence"))
    values = "".join(f"%({column})s, " for column in columns)
    order = ", ".join(f"{column} DESC" for column in (*columns, "sequence"))
    statement = (
        f"SELECT sequence, {HEAD} FROM job WHERE ({key}) >= ({values}0)"
        f" AND ({key}) < ({values}%(cursor)s::bigint) ORDER BY {order} LIMIT {count:d}"
    )
    return statement.encode()


def _job(row: tuple[Any, ...]) -> Job:
    _, *head = row
    return read(head, None)


def _filter(which: JobFilter) -> tuple[Columns, dict[str, Any]]:
    columns: list[LiteralString] = []
    if which.kind is not None:
        columns.append("kind")
    if which.status is not None:
        columns.append("status")
    return tuple(columns), {"kind": which.kind, "status": which.status and str(which.status)}


async def _total(connection: Connection, columns: Columns, values: dict[str, Any]) -> int:
    matches = " AND ".join((*[f"{column} = %({column})s" for column in columns], "true"))
    counted = f"SELECT ({_UNFINISHED} AND {matches}) + ({_FINISHED} AND {matches})"
    row = await (await connection.execute(counted, values)).fetchone()
    return int(row[0]) if row else 0
