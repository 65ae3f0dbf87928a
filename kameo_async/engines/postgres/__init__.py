"""The service over any number of processes and machines: jobs in PostgreSQL, run by workers.

The row of a job is the truth: lease, heartbeat, attempt and end stand in it. What waits is in procrastinate's
queue too, by a trigger, out of which a worker takes what waited longest.
"""

from collections.abc import Callable, Mapping
from datetime import datetime
from functools import partial
from typing import Self

from kameo_async.clock import Clock, SystemClock
from kameo_async.engines.postgres.archive import PostgresArchive
from kameo_async.engines.postgres.clock import DatabaseClock
from kameo_async.engines.postgres.connections import OPERATION_SECONDS, Connections
from kameo_async.engines.postgres.engine import PostgresEngine
from kameo_async.engines.postgres.errors import DatabaseError
from kameo_async.engines.postgres.logins import LoginsByHand, PostgresSessionState
from kameo_async.engines.postgres.schema import MIGRATIONS, prepare
from kameo_async.engines.postgres.store import PostgresJobStore
from kameo_async.engines.postgres.throttle import PostgresThrottleState
from kameo_async.jobs.engine import EngineLimits
from kameo_async.jobs.kind import Kind
from kameo_async.jobs.service import JobLimits
from kameo_async.kameo.shared import Shared

__all__ = ["Cluster", "DatabaseError"]

# A worker that is not heard for so long is lost; with the second between two looks that makes 13.
LEASE_SECONDS = 12.0


class Cluster:
    """What one process needs to take part; an async context manager, whose start updates the schema.

    `runs_jobs`: whether this process is a worker. `answer_seconds`: how long the database may take to answer.
    Entering raises DatabaseError.
    """

    def __init__(
        self,
        url: str,
        mode: str,
        *,
        runs_jobs: bool,
        clock: Clock | None = None,
        lease_seconds: float = LEASE_SECONDS,
        answer_seconds: float = OPERATION_SECONDS,
        now: Callable[[], datetime] | None = None,
    ) -> None:
        self.clock = DatabaseClock(clock or SystemClock())
        self.connections = Connections(url, now=now, seconds=answer_seconds)
        self._mode = mode
        self._runs_jobs = runs_jobs
        self._lease_seconds = lease_seconds

    @property
    def schema_version(self) -> int:
        """That of the schema, once entered."""
        return len(MIGRATIONS)

    async def __aenter__(self) -> Self:
        await prepare(self.connections)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.connections.close()

    async def read_clock(self) -> None:
        """Sets `clock` by the database's, for who runs no jobs; a service does so every second."""
        async with self.connections.use() as connection:
            [(moment,)] = await (await connection.execute("SELECT clock_timestamp()")).fetchall()
        self.clock.set(moment)

    def parts(self, kinds: Mapping[str, Kind], limits: JobLimits) -> tuple[PostgresJobStore, PostgresEngine]:
        """Store and engine of a `JobService`."""
        store = PostgresJobStore(
            self.connections,
            self.clock,
            self._mode,
            ttl_seconds=limits.ttl_seconds,
            max_pending=limits.max_pending,
            max_kept_bytes=limits.max_kept_bytes,
            lease_seconds=self._lease_seconds,
        )
        bounds = EngineLimits(limits.max_running, limits.timeout_seconds, limits.ttl_seconds)
        slots = limits.max_running if self._runs_jobs else 0
        return store, PostgresEngine(store, kinds, bounds, slots=slots, lease_seconds=self._lease_seconds)

    def shared(self, source: str, *, by_hand: bool = False) -> Shared:
        """What the fetches of all processes share; `by_hand` is for who tries the settings."""
        archive = PostgresArchive(self.connections.url, source, self.clock)
        logins = (LoginsByHand if by_hand else PostgresSessionState)(self.connections)
        return Shared(archive, logins, partial(PostgresThrottleState, self.connections))
