"""The queue of the jobs that wait: procrastinate's, in our schema and inside our transactions.

A job leaves it in the transaction that gives the job to a worker. So nothing of procrastinate's own has to
tell who is alive or what is lost: the row of the job does, by its lease.
"""

from collections.abc import Collection, Sequence
from typing import LiteralString

import structlog

from kameo_async.engines.postgres.connections import Connection, Connections
from kameo_async.engines.postgres.queue_tables import ENTER

log = structlog.get_logger()

SWEEPER_LOCK = 0x6B616D65 << 8 | 2

_QUEUES = "SELECT queue_of(%s, kind) FROM unnest(%s::text[]) kind"
_ELECT = "SELECT pg_try_advisory_xact_lock(%s)"
_REMOVE = (
    "DELETE FROM procrastinate_jobs WHERE status <> 'todo' OR NOT EXISTS"
    " (SELECT FROM job WHERE job_id = queueing_lock AND job.status = 'pending')"
)
# Not by a join, which with statistics of an empty queue looks through all of it for each job.
_OUTSIDE = (
    "SELECT job_id FROM job WHERE status = 'pending'"
    """ EXCEPT SELECT queueing_lock COLLATE "C" FROM procrastinate_jobs WHERE status = 'todo'"""
)
# Until the first that finds none: each passes by all that wait in other queues.
_FETCH: LiteralString = "procrastinate_fetch_job_v2(%(queues)s::varchar[], NULL)"
_TAKE = (
    f"WITH RECURSIVE taken AS (SELECT 1 AS number, {_FETCH} AS entry UNION ALL"
    f" SELECT number + 1, {_FETCH} FROM taken WHERE number < %(limit)s AND (entry).id IS NOT NULL)"
    " SELECT (entry).args->>'job_id', (entry).id FROM taken WHERE (entry).id IS NOT NULL"
)
_PUT_BACK = (
    "SELECT job_id, procrastinate_retry_job_v2(id, now() + interval '1 second', NULL, NULL, NULL)"
    " FROM unnest(%s::bigint[], %s::text[]) entry (id, job_id) JOIN job USING (job_id)"
    " WHERE job.status = 'pending'"
)
_FINISH = "SELECT procrastinate_finish_job_v1(id, 'succeeded', true) FROM unnest(%s::bigint[]) id"


async def queues_of(connections: Connections, mode: str, kinds: Collection[str]) -> list[str]:
    """The names of the queues in which jobs of these kinds wait."""
    async with connections.use() as connection:
        cursor = await connection.execute(_QUEUES, (mode, list(kinds)))
        return [name for (name,) in await cursor.fetchall()]


class Taking:
    """Takes entries out of queues in the transaction of a connection; `settle` has to follow."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._entries: dict[str, int] = {}  # of jobs

    async def take(self, queues: Sequence[str], limit: int) -> Sequence[str]:
        """The ids of the jobs that waited longest, which others then do not see in the queue."""
        cursor = await self._connection.execute(_TAKE, {"queues": queues, "limit": limit})
        self._entries = dict(await cursor.fetchall())
        return list(self._entries)

    async def settle(self, started: Collection[str]) -> None:
        """What could not be started though it waits is taken again a second later; the rest is out."""
        if len(started) < len(self._entries):
            left = [job_id for job_id in self._entries if job_id not in started]
            cursor = await self._connection.execute(_PUT_BACK, ([self._entries[each] for each in left], left))
            for job_id, _ in await cursor.fetchall():
                del self._entries[job_id]
        await self._connection.execute(_FINISH, (list(self._entries.values()),))


async def sweep(connections: Connections) -> None:
    """Removes entries without a job that waits, and enters jobs that wait outside; one process at a time.

    Neither comes of a crash, but of a hand in the tables, or a back-up of one of them.
    """
    async with connections.transaction() as connection:
        [(is_elected,)] = await (await connection.execute(_ELECT, (SWEEPER_LOCK,))).fetchall()
        if not is_elected:
            return
        removed = (await connection.execute(_REMOVE)).rowcount
        outside = [job_id for (job_id,) in await (await connection.execute(_OUTSIDE)).fetchall()]
        if outside:
            await connection.execute(f"{ENTER} AND job_id = ANY(%s)", (outside,))
    if removed or outside:
        log.warning("queue.swept", removed=removed, entered=len(outside))
