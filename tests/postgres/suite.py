"""The engine on PostgreSQL as the engine suite sees it: its database's clock is the suite's own."""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

from kameo_async.engines.postgres import Cluster
from kameo_async.jobs.kind import Kind
from kameo_async.jobs.service import JobLimits, JobService
from tests.clock import FakeClock, waited_for

NEVER = 1e8  # seconds of a lease that no movement of the clock outlasts

_EPOCH = datetime(2026, 1, 31, 12, tzinfo=UTC)


def database_time(clock: FakeClock) -> Callable[[], datetime]:
    """What the database's clock says: it goes as the suite's does, and does not jump with its wall clock."""
    return lambda: _EPOCH + timedelta(seconds=round(clock.monotonic(), 6))


@asynccontextmanager
async def running_cluster(url: str, clock: FakeClock) -> AsyncIterator[Cluster]:
    """A process that is web and worker; `idle` waits for what it asks of the database."""
    cluster = Cluster(url, "test", runs_jobs=True, clock=clock, lease_seconds=NEVER, now=database_time(clock))
    async with cluster:
        with waited_for(lambda: cluster.connections.in_use > 0):
            yield cluster


def service_of(cluster: Cluster, kinds: Sequence[Kind], limits: JobLimits) -> JobService:
    """A service of this process."""
    return JobService(kinds, limits, cluster.clock, parts=cluster.parts)
