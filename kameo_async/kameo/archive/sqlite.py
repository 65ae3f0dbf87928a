"""The archive's database as one SQLite file that several processes may use at once.

All that is SQLite's own is here; the statements of the other modules are plain SQL.
"""

import fcntl
import os
import sqlite3
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import Any, Self

import structlog

from kameo_async.kameo.archive.database import ArchiveError, LostDatabaseError

log = structlog.get_logger()

BUSY_SECONDS = 5.0
_BUSY_PAUSE = 0.002
_CACHE_KB = 256  # SQLite's usual 2 MB fill up over months, one fetch at a time, and make none of them faster

# The columns named `digits` hold a number with its digits: a whole one as such, any other as text.
_FIRST = (
    "CREATE TABLE fetches (id INTEGER PRIMARY KEY, seen_at BIGINT NOT NULL, countries TEXT NOT NULL,"
    " is_whole INTEGER NOT NULL)",
    "CREATE TABLE facts (id INTEGER PRIMARY KEY, title TEXT NOT NULL, amount BLOB NOT NULL,"
    " interest_rate BLOB, duration_months BIGINT, risk_score TEXT, min_amount BLOB, state TEXT,"
    " opens_at TEXT, closes_at TEXT, teaser TEXT)",
    "CREATE TABLE sightings (loan_id BIGINT NOT NULL, fetch_id BIGINT NOT NULL, facts_id BIGINT NOT NULL,"
    " subscribed_amount BLOB, PRIMARY KEY (loan_id, fetch_id)) WITHOUT ROWID",
    "CREATE TABLE listed (countries TEXT NOT NULL, loan_id BIGINT NOT NULL, fetch_id BIGINT NOT NULL,"
    " PRIMARY KEY (countries, loan_id)) WITHOUT ROWID",
    "CREATE TABLE codes (account TEXT PRIMARY KEY, step BIGINT NOT NULL) WITHOUT ROWID",
)

# MIGRATIONS[n] leads from version n to n + 1.
MIGRATIONS: tuple[tuple[str, ...], ...] = (_FIRST,)

_COMPANIONS = ("", "-wal", "-shm")
_DAMAGE = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


class SqliteDatabase:
    """An open file, or with `path` null a database in memory."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    @classmethod
    def open(cls, path: Path | None, now: datetime) -> Self:
        """Finds or makes it. A damaged file is set aside, never written over. Raises ArchiveError."""
        if path is None:
            return cls(_prepared(sqlite3.connect(":memory:", isolation_level=None)))
        with told(path):
            try:
                return cls(_connected(path))
            except sqlite3.DatabaseError as error:
                if not _is_damage(error):
                    raise
            return cls(_replaced(path, now))

    @classmethod
    def read_only(cls, path: Path) -> Self:
        """A file that is there, which is left as it is. Raises ArchiveError."""
        with told(path):
            connection = sqlite3.connect(
                f"{path.absolute().as_uri()}?mode=ro", timeout=BUSY_SECONDS, isolation_level=None, uri=True
            )
            if (version := _version(connection)) != len(MIGRATIONS):
                connection.close()
                raise ArchiveError(f"{path}: is no archive, or of another version ({version})")
            return cls(connection)

    def close(self) -> None:
        self._connection.close()

    def query(self, statement: str, *values: Any) -> list[tuple[Any, ...]]:
        return self._connection.execute(statement, values).fetchall()

    def run_many(self, statement: str, rows: Iterable[Sequence[Any]]) -> None:
        self._connection.executemany(statement, rows)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._connection.execute("COMMIT")
        except BaseException:
            if self._connection.in_transaction:  # some errors have ended it already
                self._connection.execute("ROLLBACK")
            raise


@contextmanager
def told(path: Path | None) -> Iterator[None]:
    """Turns errors of the system and of SQLite into an ArchiveError; damage is set aside by opening anew."""
    try:
        yield
    except (OSError, sqlite3.Error) as error:
        kind = LostDatabaseError if _is_damage(error) else ArchiveError
        raise kind(f"{path or 'the archive in memory'} cannot be used ({_reason(error)})") from error


def _is_damage(error: BaseException) -> bool:
    return (getattr(error, "sqlite_errorcode", None) or 0) & 0xFF in _DAMAGE


def _reason(error: BaseException) -> str:
    return (getattr(error, "strerror", None) or str(error)).lower()


def _connected(path: Path) -> sqlite3.Connection:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
    return _prepared(sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None))


def _prepared(connection: sqlite3.Connection) -> sqlite3.Connection:
    """Checked, in WAL mode, at the newest version. Raises ArchiveError for a file of a still newer one.

    `synchronous=NORMAL`: a loss of power may lose the last fetches, and damages nothing.
    """
    try:
        if _version(connection) > len(MIGRATIONS):
            raise ArchiveError("the archive was written by a newer version of kameo-async")  # noqa: TRY301
        _use_wal(connection)
        connection.execute("PRAGMA synchronous=NORMAL")
        connection.execute(f"PRAGMA cache_size=-{_CACHE_KB}")
        _check(connection)
        _migrate(connection)
    except BaseException:
        connection.close()
        raise
    return connection


def _use_wal(connection: sqlite3.Connection) -> None:
    """The switch does not wait for other processes by itself: it fails at once, whatever the timeout."""
    until = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > until:
                raise
            time.sleep(_BUSY_PAUSE)
        else:
            return


def _check(connection: sqlite3.Connection) -> None:
    [(verdict,)] = connection.execute("PRAGMA quick_check(1)").fetchall()
    if verdict != "ok":
        error = sqlite3.DatabaseError(verdict)
        error.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
        raise error


def _migrate(connection: sqlite3.Connection) -> None:
    """Brings the schema up to date."""
    if _version(connection) == len(MIGRATIONS):
        return
    connection.execute("BEGIN IMMEDIATE")
    version = _version(connection)  # another process may have been first
    for number, statements in enumerate(MIGRATIONS[version:], version + 1):
        for statement in statements:
            connection.execute(statement)
        connection.execute(f"PRAGMA user_version = {number}")
    connection.execute("COMMIT")


def _version(connection: sqlite3.Connection) -> int:
    [(version,)] = connection.execute("PRAGMA user_version").fetchall()
    return int(version)


def _replaced(path: Path, now: datetime) -> sqlite3.Connection:
    """A new file in place of a damaged one; of several processes that find the damage, one does it."""
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        try:
            return _connected(path)
        except sqlite3.DatabaseError as error:
            if not _is_damage(error):
                raise
            _set_aside(path, now, error)
        return _connected(path)
    finally:
        os.close(folder)


def _set_aside(path: Path, now: datetime, error: Exception) -> None:
    stem = aside = f"{path.name}.broken-{now:%Y%m%dT%H%M%SZ}"
    number = 1
    while path.with_name(aside).exists():
        number += 1
        aside = f"{stem}-{number}"
    for companion in _COMPANIONS:
        with suppress(FileNotFoundError):
            path.with_name(path.name + companion).rename(path.with_name(aside + companion))
    log.error("archive.set_aside", path=str(path), kept_as=str(path.with_name(aside)), reason=_reason(error))
