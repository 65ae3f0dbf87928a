"""What the archive needs of a database: a few statements of plain SQL, all or nothing.

Every call comes from the archive's one thread, and may wait for other processes.
"""

from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol


class ArchiveError(Exception):
    """The archive cannot be used; one line for people says why."""


class LostDatabaseError(ArchiveError):
    """What is open is of no use any more; opened anew it may be."""


class Database(Protocol):
    """An open database. In the statements `?` stands for a value."""

    def close(self) -> None: ...

    def query(self, statement: str, *values: Any) -> list[tuple[Any, ...]]:
        """Runs a statement; gives its rows."""

    def run_many(self, statement: str, rows: Iterable[Sequence[Any]]) -> None:
        """Runs a statement for each row of values."""

    def transaction(self) -> AbstractContextManager[None]:
        """All or nothing of what is done inside; only one process is inside at a time."""
