"""A SQLite file that one process holds: found or made, locked, checked, brought up to date.

A broken file is set aside under another name and never written to again; a file of a newer version, or
one that cannot be used, stops the start with a `JournalError` of one line.
"""

import fcntl
import os
import sqlite3
import time
from collections.abc import Sequence
from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import Self

import structlog

from kameo_async.jobs.errors import JournalError

log = structlog.get_logger()

CHECK_SECONDS = 1.0  # what the check at the start may take; a longer one is broken off

_COMPANIONS = ("", "-wal", "-shm")


class _BrokenError(Exception):
    """The file is no database, or its pages are damaged."""


class StateFile:
    """The file, held by this process until `close`; all calls come from one thread."""

    def __init__(
        self, path: Path, migrations: Sequence[str], connection: sqlite3.Connection, lock: int
    ) -> None:
        self.path = path
        self.connection = connection
        self._migrations = migrations
        self._lock = lock

    @classmethod
    def open(
        cls, path: Path, migrations: Sequence[str], now: datetime, check_seconds: float = CHECK_SECONDS
    ) -> Self:
        """Opens or makes it; `migrations[n]` is the SQL from version n to n + 1. Raises JournalError."""
        lock = _locked(path)
        try:
            try:
                connection = _connected(path, migrations, check_seconds)
            except _BrokenError as error:
                _set_aside(path, now, error)
                connection = _connected(path, migrations, check_seconds)
        except (OSError, sqlite3.Error, _BrokenError) as error:
            os.close(lock)
            raise JournalError(f"{path}: cannot be used ({_reason(error)})") from error
        except JournalError:
            os.close(lock)
            raise
        return cls(path, migrations, connection, lock)

    def replace(self, error: Exception, now: datetime) -> None:
        """Sets the file aside and begins an empty one, where `error` tells of damage; else JournalError."""
        if isinstance(error, sqlite3.Error) and not _is_damage(error):
            raise JournalError(f"{self.path}: cannot be used ({_reason(error)})") from error
        self.connection.close()
        _set_aside(self.path, now, error)
        self.connection = _connected(self.path, self._migrations, CHECK_SECONDS)

    def close(self) -> None:
        """Lets go of it; the next process may have it."""
        try:
            self.connection.close()
        finally:
            os.close(self._lock)


def _locked(path: Path) -> int:
    """A descriptor that holds the lock beside the file; the kernel lets go of it with the process."""
    lock_path = path.with_name(f"{path.name}.lock")
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = os.open(lock_path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise JournalError(f"{path}: cannot be used ({_reason(error)})") from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        holder = os.read(lock, 20).decode(errors="replace").strip() or "unknown"
        os.close(lock)
        raise JournalError(f"{path}: is held by another process (pid {holder})") from error
    try:
        os.ftruncate(lock, 0)
        os.pwrite(lock, f"{os.getpid()}\n".encode(), 0)
    except OSError:
        log.warning("journal.holder_not_noted", path=str(lock_path))  # the lock itself holds all the same
    return lock


def _connected(path: Path, migrations: Sequence[str], check_seconds: float) -> sqlite3.Connection:
    os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
    connection = sqlite3.connect(path, isolation_level=None)
    try:
        _leave_others_alone(connection, path, len(migrations))
        path.chmod(0o600)
        _set_up(connection)
        _check(connection, check_seconds)
        _migrate(connection, migrations)
    except BaseException as error:
        connection.close()
        if _is_damage(error):
            raise _BrokenError(_reason(error)) from error
        raise
    return connection


def _leave_others_alone(connection: sqlite3.Connection, path: Path, newest: int) -> None:
    """Before anything is changed. Raises JournalError."""
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if version > newest:
        raise JournalError(f"{path}: was written by a newer version of kameo-async")
    if version == 0 and connection.execute("SELECT 1 FROM sqlite_schema").fetchone():
        raise JournalError(f"{path}: holds the tables of another program")


def _set_up(connection: sqlite3.Connection) -> None:
    """Readers beside the writer, and durable against the death of the process.

    `synchronous=NORMAL`: what was committed is in the hands of the kernel, so the death of the process
    loses nothing. A loss of power may lose the commits since the last checkpoint; it damages nothing.
    """
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=NORMAL")


def _migrate(connection: sqlite3.Connection, migrations: Sequence[str]) -> None:
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    for number, script in enumerate(migrations[version:], version + 1):
        connection.executescript(f"BEGIN IMMEDIATE; {script}; PRAGMA user_version = {number}; COMMIT;")


def _check(connection: sqlite3.Connection, seconds: float) -> None:
    """Looks for damage as long as it may take; what is not found by then shows when it is read."""
    end = time.monotonic() + seconds
    connection.set_progress_handler(lambda: time.monotonic() > end, 100_000)
    try:
        with closing(connection.execute("PRAGMA quick_check(1)")) as cursor:
            (verdict,) = cursor.fetchone()
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode != sqlite3.SQLITE_INTERRUPT:
            raise
        return
    finally:
        connection.set_progress_handler(None, 0)
    if verdict != "ok":
        raise _BrokenError(verdict)


def _is_damage(error: BaseException) -> bool:
    code = getattr(error, "sqlite_errorcode", None)
    return code is not None and code & 0xFF in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


def _set_aside(path: Path, now: datetime, error: Exception) -> None:
    """Renames the file and what belongs to it; a name that is taken is left alone."""
    stem = aside = f"{path.name}.broken-{now:%Y%m%dT%H%M%SZ}"
    number = 1
    while path.with_name(aside).exists():
        number += 1
        aside = f"{stem}-{number}"
    for companion in _COMPANIONS:
        source = path.with_name(path.name + companion)
        if source.exists():
            source.rename(path.with_name(aside + companion))
    log.error("journal.set_aside", path=str(path), kept_as=str(path.with_name(aside)), reason=str(error))


def _reason(error: BaseException) -> str:
    return (getattr(error, "strerror", None) or str(error)).lower()
