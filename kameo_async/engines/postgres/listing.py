"""Pages of the list, and how many jobs match: counted, or estimated where there are very many."""

from typing import Any, LiteralString

import orjson

from kameo_async.engines.postgres.connections import Connection
from kameo_async.engines.postgres.rows import HEAD, read
from kameo_async.jobs.models import Job
from kameo_async.jobs.store import JobFilter, JobPage

# Where the planner expects this many it is believed; counting them would take longer than all the rest.
MANY = 20_000


async def page(connection: Connection, which: JobFilter, limit: int, cursor: int | None) -> JobPage:
    """Up to `limit` jobs older than `cursor`, without their results."""
    where, values = _filter(which)
    older = "" if cursor is None else f" {'AND' if where else 'WHERE'} sequence < %(cursor)s"
    cursor_ = await connection.execute(
        f"SELECT sequence, {HEAD} FROM job{where}{older} ORDER BY sequence DESC LIMIT %(limit)s",
        {**values, "cursor": cursor, "limit": limit + 1},
    )
    rows = await cursor_.fetchall()
    shown = rows[:limit]
    following = shown[-1][0] if len(rows) > limit else None
    return JobPage(tuple(_job(row) for row in shown), await _total(connection, where, values), following)


def _job(row: tuple[Any, ...]) -> Job:
    _, *head = row
    return read(head, None)


def _filter(which: JobFilter) -> tuple[LiteralString, dict[str, Any]]:
    parts: list[LiteralString] = []
    if which.kind is not None:
        parts.append("kind = %(kind)s")
    if which.status is not None:
        parts.append("status = %(status)s")
    where: LiteralString = f" WHERE {' AND '.join(parts)}" if parts else ""
    return where, {"kind": which.kind, "status": which.status and str(which.status)}


async def _total(connection: Connection, where: LiteralString, values: dict[str, Any]) -> int:
    expected = await _expected(connection, where, values)
    if expected > MANY:
        return expected
    cursor = await connection.execute(f"SELECT count(*) FROM job{where}", values)
    row = await cursor.fetchone()
    return int(row[0]) if row else 0


async def _expected(connection: Connection, where: LiteralString, values: dict[str, Any]) -> int:
    """How many rows the planner expects."""
    cursor = await connection.execute(f"EXPLAIN (FORMAT JSON) SELECT 1 FROM job{where}", values)
    row = await cursor.fetchone()
    assert row is not None
    plan = row[0] if isinstance(row[0], list) else orjson.loads(row[0])
    return int(plan[0]["Plan"]["Plan Rows"])
