"""What the archive's tests share: loans, fetches of them, and an archive with a clock of its own."""

import itertools
import json
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

from kameo_async.engines.postgres.archive import PostgresArchive
from kameo_async.kameo.archive import Archive, Memory, Sighting, Visit
from kameo_async.kameo.loan import Loan
from kameo_async.kameo.models import read_page
from tests.clock import FakeClock
from tests.scripted_upstream import row

HOUR = 3600.0
MANY = 1_000_000

_sources = itertools.count(1)


def loan(number: int, subscribed: Any = 0, **fields: Any) -> Loan:
    """A loan as read from the wire."""
    wire = {"subscribed_amount": subscribed, "subscription_state": {"status_text_localized": "Open"}}
    rows = [row(number, **{**wire, **fields})]
    return read_page(json.dumps({"data": rows}).encode(), 1, "https://site.example").loans[0]


class Fetches:
    """Fetches, each an hour after the last unless told otherwise."""

    def __init__(self, archive: Archive, clock: FakeClock) -> None:
        self.archive = archive
        self.clock = clock

    async def __call__(
        self,
        *loans: Loan,
        countries: Iterable[str] = ("SE", "DK"),
        whole: bool = True,
        unread: frozenset[int] = frozenset(),
        after: float = HOUR,
    ) -> Memory:
        self.clock.jump(after)
        return await self.archive.remember(Visit(tuple(countries), loans, unread, whole))

    async def history(self, **wanted: Any) -> list[Sighting]:
        return await self.archive.history(**{"limit": MANY, **wanted})


@asynccontextmanager
async def fetches(path: Path | None, clock: FakeClock | None = None) -> AsyncIterator[Fetches]:
    """An archive in a file, or in memory."""
    clock = clock or FakeClock()
    async with Archive(path, clock) as archive:
        yield Fetches(archive, clock)


@asynccontextmanager
async def postgres_fetches(
    url: str, source: str | None = None, clock: FakeClock | None = None
) -> AsyncIterator[Fetches]:
    """An archive in a database, of a source that no other test has."""
    clock = clock or FakeClock()
    async with PostgresArchive(url, source or f"test-{next(_sources)}", clock) as archive:
        yield Fetches(archive, clock)


def ago(clock: FakeClock, seconds: float) -> Any:
    """The wall clock `seconds` before now."""
    return clock.now() - timedelta(seconds=seconds)
