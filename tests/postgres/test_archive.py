"""The archive in PostgreSQL: what differs from the one in a file. Both hold tests/test_archive.py."""

import asyncio
from decimal import Decimal

import pytest

from kameo_async.engines.postgres.archive import PostgresArchive
from kameo_async.kameo.archive import ArchiveError, Visit
from kameo_async.kameo.archive.changes import Changes
from tests.archived import HOUR, MANY, ago, loan, postgres_fetches
from tests.clock import FakeClock
from tests.engine_suite.puppet import in_time
from tests.postgres.server import Server

pytestmark = pytest.mark.database

STEP = 58_000_000


async def test_another_process_finds_what_one_saw(url: str) -> None:
    """As after a restart."""
    clock = FakeClock()
    async with postgres_fetches(url, "live", clock) as fetch:
        await fetch(loan(1, "0.10"))
    async with postgres_fetches(url, "live", clock) as fetch:
        assert (await fetch(loan(2))).changes == Changes(since=ago(clock, HOUR), new=(2,), gone=(1,))


async def test_sources_never_mix(url: str) -> None:
    """What one source lists is not in another, though the ids are the same."""
    async with postgres_fetches(url, "live") as live, postgres_fetches(url, "sandbox") as sandbox:
        await live(loan(1, 100), loan(2))
        assert (await sandbox(loan(1, 7))).changes == Changes(since=None)
        assert (await live(loan(1, 100))).changes.gone == (2,)
        assert [one.subscribed_amount for one in await sandbox.history()] == [Decimal(7)]
        assert (await sandbox(loan(1, 7))).pasts[1].subscribed_per_hour == 0


async def test_many_processes_at_once(url: str) -> None:
    """Each fetch is remembered once and whole, in some order; of those that want one code, one gets it."""
    clock = FakeClock()
    archives = [PostgresArchive(url, "live", clock) for _ in range(3)]
    visits = [Visit(("SE",), [loan(number), loan(1000 + number % 2)]) for number in range(30)]
    jobs = [archives[number % 3].remember(visit) for number, visit in enumerate(visits)]
    memories = await in_time(asyncio.gather(*jobs))
    assert sum(memory.changes.since is None for memory in memories) == 1
    assert len({one.loan_id for one in await archives[0].history(limit=MANY)}) == 32
    for step in range(STEP, STEP + 5):
        taken = await in_time(asyncio.gather(*[archive.use_code("a", step) for archive in archives]))
        assert sum(taken) == 1
    async with postgres_fetches(url, "live", clock) as fetch:
        assert len((await fetch(countries=("SE",))).changes.gone) == 32
    for archive in archives:
        await archive.close()


async def test_a_lost_connection_loses_nothing(server: Server, url: str) -> None:
    """The database was started again, say: the next fetch is remembered, once."""
    async with postgres_fetches(url) as fetch:
        await fetch(loan(1))
        server.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE '% archive'"
        )
        assert (await fetch(loan(1, 5))).changes.changed_ids == {1}
        assert len(await fetch.history()) == 2


async def test_a_database_that_is_away_is_waited_for(server: Server, url: str) -> None:
    """The fetch is remembered when it is back."""
    name = url.rpartition("/")[2]
    async with postgres_fetches(url) as fetch:
        server.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
        waiting = asyncio.create_task(fetch(loan(1)))
        done, _ = await asyncio.wait([waiting], timeout=0.1)
        assert not done
        server.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")
        assert (await in_time(waiting)).pasts[1].first_seen_at == fetch.clock.now()


async def test_what_is_wrong_with_it_is_one_line(server: Server, url: str) -> None:
    """Rights that were not granted, or a table that is not there: no use to wait."""
    server.execute("ALTER TABLE facts RENAME TO lost", url)
    try:
        async with postgres_fetches(url) as fetch:
            with pytest.raises(
                ArchiveError, match=r'^the archive in the database cannot be used \(.*"facts"'
            ) as told:
                await fetch(loan(1))
            assert "\n" not in str(told.value)
    finally:
        server.execute("ALTER TABLE lost RENAME TO facts", url)


async def test_text_that_postgresql_cannot_hold(url: str) -> None:
    """A title with a NUL comes back as it was."""
    async with postgres_fetches(url) as fetch:
        await fetch(loan(1, title="A\0ö€"))
        assert not (await fetch(loan(1, title="A\0ö€"))).changes
        assert [one.title for one in await fetch.history()] == ["A\0ö€"]
