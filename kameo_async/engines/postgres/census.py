"""How many jobs there are, and which workers: counted now and then, for health, metrics and the log."""

import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import LiteralString

import structlog

from kameo_async.engines.postgres.connections import Connection, Connections
from kameo_async.jobs.models import TERMINAL_STATUSES, JobStatus

log = structlog.get_logger()

FINISHED_SECONDS = 10.0  # between two counts of finished jobs, or a hundred times as long as one takes
_PATIENCE = 10  # counts that writes of our own made useless, before one is taken all the same

_NOW: LiteralString = "coalesce(%(now)s::timestamptz, now())"
_UNFINISHED = (
    "SELECT kind, status, count(*) FROM job WHERE status IN ('pending', 'running') GROUP BY kind, status"
)
_FINISHED = (
    "SELECT kind, status, sum(jobs)::bigint FROM counted WHERE status <> 'unfinished' GROUP BY kind, status"
)
_WORKERS = f"SELECT mode, count(*) FROM worker WHERE alive_until > {_NOW} GROUP BY mode ORDER BY mode"
_NOT_TAKEN = (
    "SELECT mode, kind, count(*) FROM job WHERE status = 'pending' AND NOT EXISTS (SELECT 1 FROM worker"
    f" WHERE worker.mode = job.mode AND alive_until > {_NOW} AND job.kind = ANY(kinds))"
    " GROUP BY mode, kind ORDER BY mode, kind"
)

Tally = Counter[tuple[str, JobStatus]]


class Census:
    """Keeps `tally`, `workers` and `warnings` true.

    Mutable: these, when the next count is due, `_writing` (writes under way), `_written` (those that were).
    """

    def __init__(self, connections: Connections, tally: Tally) -> None:
        self.workers: Mapping[str, int] = {}
        self.warnings: tuple[str, ...] = ()
        self._connections = connections
        self._tally = tally
        self._writing = 0
        self._written = 0
        self._useless: Counter[bool] = Counter()
        self._finished_at = 0.0

    @contextmanager
    def write(self) -> Iterator[None]:
        """Around a write of this process, from before its commit until the tally has it."""
        self._writing += 1
        try:
            yield
        finally:
            self._writing -= 1
            self._written += 1

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
        """Gives whether the count could be used: what this process wrote meanwhile may be in it or not."""
        written = self._written
        rows = await (await connection.execute(statement)).fetchall()
        is_doubtful = self._writing > 0 or self._written != written
        if is_doubtful and self._useless[is_finished] < _PATIENCE:
            self._useless[is_finished] += 1
            return False
        self._useless[is_finished] = 0
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
