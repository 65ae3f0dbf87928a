"""What a million kept jobs cost: submit, get, list and expiry beside those among a thousand."""

import asyncio
import itertools
import random
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from datetime import datetime, timedelta
from functools import partial
from statistics import quantiles
from time import perf_counter
from typing import Any

from kameo_async import log
from kameo_async.engines.postgres import Cluster
from kameo_async.engines.postgres.connections import Connections
from kameo_async.engines.postgres.schema import prepare
from kameo_async.jobs.models import JobStatus
from kameo_async.jobs.service import JobLimits, JobService
from tests.benchmarks.plugin.kameo_bench import Nothing, Stage
from tests.benchmarks.postgres import database_server
from tests.benchmarks.report import Report
from tests.postgres.server import Server

FEW, MANY = 1_000, 1_000_000
ASKED = 200
EXPIRING, SLICES = 20, 20

# The jobs of an hour. Of one kind, and of those that failed, the newest half has none.
_ROWS = """
INSERT INTO job (job_id, kind, mode, params, status, revision, attempt, created_at, updated_at, started_at,
                 finished_at, expires_at, result, size)
SELECT
    gen_random_uuid(), CASE WHEN is_old AND last = 0 THEN 'stage' ELSE 'nothing' END, 'live', '{{}}',
    CASE WHEN is_old AND last < 2 THEN 'failed' WHEN last = 2 THEN 'cancelled' ELSE 'success' END, 3, 1,
    at, at, at, at, at + interval '1 hour', CASE WHEN last > 2 THEN '{{"text":"{text}"}}'::bytea END, 600
FROM (
    SELECT
        n % 10 AS last, n < {count} / 2 AS is_old, now() - interval '1 hour' * ({count} - n) / {count} AS at
    FROM generate_series(1, {count}) n
) one
"""
_COUNT = (
    "INSERT INTO counted SELECT mode, kind, status, sequence % 32, count(*), sum(size)"
    " FROM job GROUP BY 1, 2, 3, 4"
)
_INDEXES = (
    "SELECT indexname, indexdef FROM pg_indexes WHERE tablename = 'job' AND schemaname = 'kameo_async'"
    " AND indexname NOT IN ('job_pkey', 'job_job_id_key')"
)
_WITHOUT = "ALTER TABLE job DISABLE TRIGGER USER, DROP CONSTRAINT job_job_id_key"
_WITH = "ALTER TABLE job ENABLE TRIGGER USER, ADD UNIQUE (job_id)"


def measure(report: Report, quick: bool) -> None:
    """Both on one server, asked in turns."""
    with database_server() as server:
        log.configure("error", "json")
        urls = [_filled(server, count) for count in (FEW, MANY // 10 if quick else MANY)]
        asyncio.run(_measure(report, *[_Side(server, url) for url in urls]))


class _Side:
    """A service in this process among so many jobs. Mutable: `now`, at which jobs expire."""

    def __init__(self, server: Server, url: str) -> None:
        def one(statement: str) -> Any:
            return server.execute(statement, url)[0][0]

        self.middle: int = one("SELECT max(sequence) / 2 FROM job")
        self.now: datetime = one("SELECT min(expires_at) FROM job") - timedelta(microseconds=1)
        self._step = timedelta(hours=1) / one("SELECT count(*) FROM job")
        ids = server.execute("SELECT job_id FROM job TABLESAMPLE bernoulli (50) LIMIT 400", url)
        self.ids = itertools.cycle(random.sample([job_id for (job_id,) in ids], len(ids)))
        self.cluster = Cluster(url, "live", runs_jobs=False, now=lambda: self.now)
        limits = JobLimits(max_pending=10**6, max_kept_bytes=10**12, reap_interval_seconds=10**6)
        self.jobs = JobService([Nothing(), Stage()], limits, self.cluster.clock, parts=self.cluster.parts)

    async def submit(self) -> None:
        await self.jobs.submit("nothing", {"size": 700})

    async def get(self) -> None:
        await self.jobs.get(next(self.ids))

    async def expire(self) -> None:
        self.now += EXPIRING * self._step
        await self.jobs._store.expire(2 * EXPIRING)


Act = Callable[[_Side], Awaitable[object]]


async def _measure(report: Report, few: _Side, many: _Side) -> None:
    async with AsyncExitStack() as stack:
        for side in (few, many):
            await stack.enter_async_context(side.cluster)
            await stack.enter_async_context(side.jobs)
        report.set("pg_submit", await _growth(report, "submit", _Side.submit, few, many))
        report.set("pg_get", await _growth(report, "get", _Side.get, few, many))
        lists = [await _growth(report, f"list {name}", act, few, many) for name, act in _lists().items()]
        report.set("pg_list", max(lists))
        expiry = await _growth(report, f"expiry of {EXPIRING}", _Side.expire, few, many, asked=SLICES)
        report.set("pg_reap", expiry)


def _lists() -> dict[str, Act]:
    """Filters that match all, most, few and none, from the newest and from the middle."""
    filters: list[dict[str, Any]] = [{"status": status} for status in (None, *JobStatus)]
    filters += [{"kind": "stage"}, {"kind": "stage", "status": JobStatus.FAILED}]

    async def page(side: _Side, is_middle: bool, **which: Any) -> None:
        await side.jobs.list(**which, cursor=side.middle if is_middle else None)

    return {
        f"{' '.join(filter(None, which.values())) or 'all'}{' from the middle' * is_middle}": partial(
            page, is_middle=is_middle, **which
        )
        for which in filters
        for is_middle in (False, True)
    }


async def _growth(report: Report, name: str, act: Act, few: _Side, many: _Side, asked: int = ASKED) -> float:
    """How many times as long it takes among many as among few; asked in turns, one by one.

    Of each the quicker quarter counts: what else the machine does only makes it longer.
    """
    figures: dict[_Side, list[float]] = {few: [], many: []}
    for turn in range(asked):
        for side in (few, many) if turn % 2 else (many, few):
            began = perf_counter()
            await act(side)
            figures[side].append(perf_counter() - began)
    quick = {side: quantiles(times, n=4)[0] for side, times in figures.items()}
    report.grow(f"ms: {name}", FEW, quick[few] * 1000)
    report.grow(f"ms: {name}", MANY, quick[many] * 1000)
    return quick[many] / quick[few]


def _filled(server: Server, count: int) -> str:
    """The address of a database with so many finished jobs; its indexes are built last, as by a restore."""
    url = server.database()
    asyncio.run(prepare(Connections(url)))
    indexes = server.execute(_INDEXES, url)
    drop = [f"DROP INDEX {name}" for name, _ in indexes]
    rows = _ROWS.format(count=count, text="x" * 50)
    build = [definition for _, definition in indexes]
    memory = "SET LOCAL maintenance_work_mem TO '256MB'"
    steps = [memory, _WITHOUT, *drop, rows, *build, _WITH, _COUNT]
    server.execute("; ".join(("BEGIN", *steps, "COMMIT")), url)
    server.execute("VACUUM ANALYZE job", url)
    return url
