"""From an archive in a file to one in the database."""

import asyncio
from pathlib import Path

import pytest

from kameo_async.kameo.archive import Sighting
from kameo_async.kameo.archive.changes import Changes
from kameo_async.migrate import run
from kameo_async.settings import ServiceSettings
from tests.archived import fetches, loan, postgres_fetches
from tests.clock import FakeClock

pytestmark = pytest.mark.database


def settings(url: str) -> ServiceSettings:
    """Those of a service on the database, with invented loans."""
    return ServiceSettings(database_url=url, test_mode=True)


async def seen_in_a_file(path: Path, clock: FakeClock) -> list[Sighting]:
    """Three fetches of a loan that fills and one that does not; what they saw."""
    async with fetches(path, clock) as fetch:
        for subscribed in (0, 1000, 2500.5):
            await fetch(loan(1, subscribed), loan(2, teaser="x"))
        return await fetch.history()


async def seen_in_the_database(url: str, clock: FakeClock) -> tuple[list[Sighting], Changes]:
    """What it has, and what the next fetch finds changed."""
    async with postgres_fetches(url, "test", clock) as fetch:
        history = await fetch.history()
        return history, (await fetch(loan(1, 3000), loan(3))).changes


def test_the_database_goes_on_where_the_file_ended(url: str, tmp_path: Path) -> None:
    """The history is the same to the digit, and the next fetch is compared with the file's last."""
    clock, path = FakeClock(), tmp_path / "test.archive.sqlite3"
    before = asyncio.run(seen_in_a_file(path, clock))
    assert run(settings(url), path).endswith(f"what {path} knew (fetches: 3).")
    history, changes = asyncio.run(seen_in_the_database(url, clock))
    assert history == before
    assert (changes.new, changes.gone, [change.id for change in changes.changed]) == ((3,), (2,), [1])


def test_what_knows_loans_already_takes_no_others(url: str, tmp_path: Path) -> None:
    """Twice would count them twice; nothing is written."""
    clock, path = FakeClock(), tmp_path / "test.archive.sqlite3"
    before = asyncio.run(seen_in_a_file(path, clock))
    run(settings(url), path)
    with pytest.raises(OSError, match="has seen these loans already"):
        run(settings(url), path)
    assert asyncio.run(seen_in_the_database(url, clock))[0] == before


@pytest.mark.parametrize("text", [b"", b"id;title\n1;Loan 1\n"])
def test_another_file_is_named_and_left_alone(url: str, tmp_path: Path, text: bytes) -> None:
    """It is neither set aside nor written to."""
    path = tmp_path / "loans.csv"
    path.write_bytes(text)
    with pytest.raises(OSError, match=r"loans\.csv"):
        run(settings(url), path)
    assert [one.read_bytes() for one in tmp_path.iterdir()] == [text]
