"""How many jobs there are, and which workers: counted now and then, for health, metrics and the log."""

import time
from collections import Counter
from collections.abc import Mapping
from typing import LiteralString

import structlog

from kameo_async.engines.postgres.connections import Connection, Connections
from kameo_async.jobs.models import TERMINAL_STATUSES, JobStatus

log = structlog.get_logger()

FINISHED_SECONDS = 10.0  # between two counts of finished jobs, or a hundred times as long as one takes
_PATIENCE = 3  # counts that changes of our own made useless, before one is taken all the same

_NOW: LiteralString = "coalesce(%(now)s::timestamptz, now())"
_UNFINISHED = (
    "SELECT kind, status, count(*) FROM job WHERE status IN ('pending', 'running') GROUP BY kind, status"
)
_FINISHED = (
    "SELECT kind, status, count(*) FROM job WHERE status IN ('success', 'failed', 'cancelled')"
    " GROUP BY kind, status"
)
_WORKERS = f"SELECT mode, count(*) FROM worker WHERE alive_until > {_NOW} GROUP BY mode ORDER BY mode"
_NOT_TAKEN = (
    "SELECT mode, kind, count(*) FROM job WHERE status = 'pending' AND NOT EXISTS (SELECT 1 FROM worker"
    f" WHERE worker.mode = job.mode AND alive_until > {_NOW} AND job.kind = ANY(kinds))"
    " GROUP BY mode, kind ORDER BY mode, kind"
)

Tally = Counter[tuple[str, JobStatus]]


class Census:
    """Keeps `tally`, `workers` and `warnings` true. Mutable: these, and when the next count is due."""

    def __init__(self, connections: Connections, tally: Tally) -> None:
        self.workers: Mapping[str, int] = {}
        self.warnings: tuple[str, ...] = ()
        self._connections = connections
        self._tally = tally
        self._disturbed = 0
        self._useless = 0
        self._finished_at = 0.0

    def disturb(self) -> None:
        """The tally was changed by what this process did itself."""
        self._disturbed += 1

    async def take(self, connection: Connection, *, tells: bool = True) -> None:
        """Counts what is due; `tells` says whether the log hears of work that nobody takes."""
        await self._count(connection, _UNFINISHED, is_finished=False)
        if time.monotonic() >= self._finished_at:
            start = time.monotonic()
            if await self._count(connection, _FINISHED, is_finished=True):
                took = time.monotonic() - start
                self._finished_at = start + max(FINISHED_SECONDS, 100 * took)
        values = {"now": self._connections.now()}
        workers = await (await connection.execute(_WORKERS, values)).fetchall()
        self.workers = dict(workers)
        if not tells:
            return
        not_taken = await (await connection.execute(_NOT_TAKEN, values)).fetchall()
        self._warn(tuple(_warning(*row) for row in not_taken))

    async def _count(self, connection: Connection, statement: LiteralString, *, is_finished: bool) -> bool:
        """Gives whether the count could be used: what this process changed meanwhile may be in it or not."""
        disturbed = self._disturbed
        rows = await (await connection.execute(statement)).fetchall()
        if disturbed != self._disturbed and self._useless < _PATIENCE:
            self._useless += 1
            return False
        self._useless = 0
        for which in [which for which in self._tally if (which[1] in TERMINAL_STATUSES) == is_finished]:
            del self._tally[which]
        self._tally.update({(kind, JobStatus(status)): count for kind, status, count in rows})
        return True

    def _warn(self, warnings: tuple[str, ...]) -> None:
        before, self.warnings = self.warnings, warnings
        if set(_subjects(warnings)) - set(_subjects(before)):
            log.warning("worker.missing", reason="; ".join(warnings))
        elif before and not warnings:
            log.info("worker.found")


def _warning(mode: str, kind: str, count: int) -> str:
    jobs = "1 job waits" if count == 1 else f"{count} jobs wait"
    return f"{jobs} for a worker of mode {mode} that takes {kind}, and none is alive"


def _subjects(warnings: tuple[str, ...]) -> list[str]:
    """The warnings without their numbers: more of the same is no news."""
    return [warning.partition(" for ")[2] for warning in warnings]
