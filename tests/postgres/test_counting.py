"""Jobs are counted as they come, end and go: rightly, and without waiting for each other in a ring."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack
from typing import Any

import pytest

from kameo_async.engines.postgres.connections import Connection, Connections
from kameo_async.engines.postgres.schema import COUNTING, SHARDS
from kameo_async.jobs.errors import OverloadedError
from kameo_async.jobs.models import Job
from tests.engine_suite.puppet import in_time
from tests.postgres.server import Server

pytestmark = pytest.mark.database

BOUND, LEFT = 300, 5

_JOBS = (
    "INSERT INTO job (job_id, kind, mode, params, status, revision, attempt, created_at, updated_at)"
    " SELECT n, 'walk', 'test', '{}', 'pending', 1, 1, now(), now() FROM generate_series(1, %d) n"
)
_END = "UPDATE job SET status = 'failed', size = 7, finished_at = now() WHERE sequence = ANY(%s)"
_REMOVE = "DELETE FROM job WHERE sequence = ANY(%s)"
_HOLD = f"SELECT pg_advisory_xact_lock({COUNTING}, shard) FROM generate_series(0, {SHARDS - 1}) shard"
_WAITING = (
    "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
)


@pytest.fixture
async def two(url: str) -> AsyncIterator[list[Connection]]:
    """Connections that notice soon when they wait for each other."""
    async with AsyncExitStack() as stack:
        both = [await Connections(url).connect() for _ in range(2)]
        for connection in both:
            stack.push_async_callback(connection.close)
            await connection.execute("SET deadlock_timeout TO '20ms'")
        yield both


async def test_who_ends_or_removes_several_jobs_waits_for_nobody_in_a_ring(
    server: Server, url: str, two: list[Connection]
) -> None:
    """As the reaper does, and who gives back lost jobs: in any order, each within its transaction."""
    one, other = two
    server.execute(_JOBS % 40, url)
    await _change(one, (_END, range(1, 21)))
    async with one.transaction():
        await one.execute(_REMOVE, ([1],))
        ending = asyncio.ensure_future(_change(other, (_END, [22]), (_END, [33])))
        while not ending.done() and not _is_waiting(server, other):
            await asyncio.sleep(0.002)
        await one.execute(_REMOVE, ([6],))
    await in_time(ending)
    counted = server.execute("SELECT status, sum(jobs), sum(bytes) FROM counted GROUP BY status", url)
    assert sorted(counted) == [("failed", 20, 140), ("unfinished", 18, 0)]


async def test_who_is_frozen_while_it_counts_holds_up_nobody(
    server: Server, url: str, two: list[Connection]
) -> None:
    """Others count where it does not, though that would be their place."""
    server.execute(_JOBS % 2, url)
    frozen, other = two
    async with frozen.transaction():
        await frozen.execute(
            "SELECT pg_advisory_xact_lock(%s, %s)", (COUNTING, other.info.backend_pid % SHARDS)
        )
        await in_time(_change(other, (_END, [1]), (_END, [2])))


async def _change(connection: Connection, *steps: tuple[str, Sequence[int]]) -> None:
    async with connection.transaction():
        for statement, sequences in steps:
            await connection.execute(statement.encode(), (list(sequences),))


def _is_waiting(server: Server, connection: Connection) -> bool:
    pid = connection.info.backend_pid
    [(kind,)] = server.execute(f"SELECT wait_event_type FROM pg_stat_activity WHERE pid = {pid}")
    return bool(kind == "Lock")


async def test_submits_that_do_not_see_each_other_keep_the_bound(
    server: Server, url: str, two: list[Connection], start_service: Callable[..., Any]
) -> None:
    """Of many over all connections of four webs, held up just before they are counted."""
    server.execute(_JOBS % (BOUND - LEFT), url)
    webs = [await start_service(url, max_pending=BOUND) for _ in range(4)]
    async with two[0].transaction():
        await two[0].execute(_HOLD)
        submits = [asyncio.ensure_future(web.submit("walk")) for web in webs * 20]
        async with asyncio.timeout(5):
            while server.execute(_WAITING, url)[0][0] < 20:
                await asyncio.sleep(0.01)
    answers = await in_time(asyncio.gather(*submits, return_exceptions=True))
    assert sum(isinstance(answer, Job) for answer in answers) == LEFT
    assert sum(isinstance(answer, OverloadedError) for answer in answers) == len(answers) - LEFT
