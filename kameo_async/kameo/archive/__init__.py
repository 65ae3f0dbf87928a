"""What was seen of each loan, when: a memory over fetches, processes and restarts.

    fetches    one row a successful fetch: when, of which countries, whether of all their loans
    sightings  a loan as a fetch saw it, only where it differs from the last sighting of that loan
    facts      the slow fields of sightings, shared by those between which only the subscribed amount moved
    listed     for each set of countries, the sighting that its last fetch had of each loan
    codes      which two-factor codes are used up; neither codes nor names are in it, only hashes and numbers

The statements are plain SQL over a small `Database`; SQLite's own part is in sqlite.py, and an engine for
several machines brings another.
"""

import asyncio
from collections.abc import Callable, Collection
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from datetime import datetime, timedelta
from decimal import Decimal
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self, TypeVar

from kameo_async.clock import Clock
from kameo_async.kameo.archive.carry import Content, fill
from kameo_async.kameo.archive.codes import use_code
from kameo_async.kameo.archive.database import ArchiveError, Database, LostDatabaseError
from kameo_async.kameo.archive.rows import milliseconds, number, time_of
from kameo_async.kameo.archive.sqlite import SqliteDatabase, told
from kameo_async.kameo.archive.visit import Memory, Past, Visit, remember

__all__ = ["Archive", "ArchiveError", "Memory", "Past", "Sighting", "Visit"]

T = TypeVar("T")

_SIGHTINGS = (
    "SELECT s.loan_id, f.title, v.seen_at, s.subscribed_amount, f.amount, f.state FROM sightings s"
    " JOIN fetches v ON v.id = s.fetch_id JOIN facts f ON f.id = s.facts_id"
    " WHERE v.seen_at >= ? AND v.seen_at <= ?{those}"
    " ORDER BY v.seen_at DESC, s.fetch_id DESC, s.loan_id DESC LIMIT ?"
)

_FIRST, _LAST = -(2**62), 2**62
_MICROSECOND = timedelta(microseconds=1)


class Sighting(NamedTuple):
    """A loan as it was when a fetch saw it change, or saw it first."""

    loan_id: int
    title: str
    seen_at: datetime
    subscribed_amount: Decimal | None
    amount: Decimal
    state: str | None


class Archive:
    """The archive in a file, or with `path` null in memory. An async context manager.

    The file is opened at the first use, and all work is done in one thread. Mutable: `_database`, of that
    thread only. Every method raises ArchiveError, and works again when the cause is gone.
    """

    def __init__(self, path: Path | None, clock: Clock) -> None:
        self.path = path
        self._clock = clock
        self._thread = ThreadPoolExecutor(1, "archive")
        self._database: Database | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Lets go of the file."""
        await asyncio.get_running_loop().run_in_executor(self._thread, self._close)
        self._thread.shutdown(wait=False)

    async def remember(self, visit: Visit) -> Memory:
        """Keeps what a fetch saw; gives what it can learn from those before."""
        return await self._run(partial(remember, visit=visit, now=self._clock.now()))

    async def history(
        self,
        ids: Collection[int] | None = None,
        start: datetime | None = None,
        end: datetime | None = None,
        *,
        limit: int,
    ) -> list[Sighting]:
        """What was seen from `start` through `end`, oldest first; beyond `limit` the oldest are left out."""
        first = _FIRST if start is None else milliseconds(start - _MICROSECOND) + 1  # rounded up
        last = _LAST if end is None else milliseconds(end)
        return await self._run(partial(_history, ids=ids, first=first, last=last, limit=limit))

    async def use_code(self, account: str, step: int) -> bool:
        """Takes the code of a window for oneself; false when it or a later one has been taken."""
        return await self._run(partial(use_code, account=account, step=step))

    async def take(self, content: Content) -> None:
        """Makes another archive's rows its own, where it has none."""
        await self._run(partial(fill, content=content))

    async def _run(self, work: Callable[[Database], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._work, work)

    def _work(self, work: Callable[[Database], T]) -> T:
        try:
            return self._try(work)
        except LostDatabaseError:
            self._close()
            return self._try(work)

    def _try(self, work: Callable[[Database], T]) -> T:
        with self._told():
            if self._database is None:
                self._database = self._new()
            return work(self._database)

    def _told(self) -> AbstractContextManager[None]:
        """Turns the database's errors into an ArchiveError."""
        return told(self.path)

    def _new(self) -> Database:
        """The database, opened."""
        return SqliteDatabase.open(self.path, self._clock.now())

    def _close(self) -> None:
        if self._database is not None:
            self._database.close()
            self._database = None


def _history(
    database: Database, ids: Collection[int] | None, first: int, last: int, limit: int
) -> list[Sighting]:
    those = "" if ids is None else f" AND s.loan_id IN ({', '.join('?' * len(ids))})"
    statement = _SIGHTINGS.replace("{those}", those)
    rows = database.query(statement, first, last, *(ids or ()), limit)
    return [
        Sighting(loan_id, title, time_of(seen_at), number(subscribed), Decimal(str(amount)), state)
        for loan_id, title, seen_at, subscribed, amount, state in reversed(rows)
    ]
