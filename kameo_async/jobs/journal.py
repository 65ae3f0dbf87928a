"""The journal: what jobs leave behind on disk, so that a restart loses nothing.

Written through to SQLite by one worker thread: all that arrives while a commit runs goes into the next
one. Reading happens once, at the start. The store in memory stays the live truth.
"""

import asyncio
import sqlite3
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any, Self

import structlog

from kameo_async.clock import Clock, SystemClock
from kameo_async.jobs import journal_rows
from kameo_async.jobs.journal_rows import KeptJob
from kameo_async.jobs.models import Job
from kameo_async.jobs.state_file import StateFile

log = structlog.get_logger()

RETRY_SECONDS = 1.0


@dataclass(slots=True, eq=False)
class Write:
    """A statement on its way to the disk.

    `attempted` is done after the first try: whether it succeeded. `written` is done once it is on disk; one
    that does not last is given up after a try that failed.
    """

    statement: str
    rows: list[tuple[Any, ...]]
    lasts: bool = True
    attempted: asyncio.Future[bool] = field(
        default_factory=lambda: asyncio.get_running_loop().create_future()
    )
    written: asyncio.Future[None] = field(default_factory=lambda: asyncio.get_running_loop().create_future())


class Journal:
    """The file of one process's jobs; an async context manager.

    Mutable state, changed on the loop's thread only: `_queue` (not yet on disk, in order), `_flusher` (the
    task that writes while there is something to write), `is_writable`. The file is the worker's.
    """

    def __init__(self, path: Path, clock: Clock | None = None) -> None:
        self.path = path
        self.is_writable = True
        self._clock = clock or SystemClock()
        self._worker = ThreadPoolExecutor(1, thread_name_prefix="journal")
        self._file: StateFile | None = None
        self._queue: list[Write] = []
        self._flusher: asyncio.Task[None] | None = None
        self._is_closing = False

    @classmethod
    def open(cls, path: Path, clock: Clock | None = None) -> Self:
        """A journal to enter: `async with Journal.open(path) as journal`. Entering raises JournalError."""
        return cls(path, clock)

    async def __aenter__(self) -> Self:
        now = self._clock.now()
        self._file = await self._in_worker(StateFile.open, self.path, journal_rows.MIGRATIONS, now)
        return self

    async def __aexit__(self, *_: object) -> None:
        """Writes what is left, where the disk takes it."""
        self._is_closing = True
        if self._flusher is not None:
            if not self.is_writable:
                self._flusher.cancel()
            await asyncio.wait([self._flusher])
        if self._file is not None:
            await self._in_worker(self._file.close)
        self._worker.shutdown(wait=False)

    @property
    def is_busy(self) -> bool:
        """Whether something is on its way to the disk."""
        return self._flusher is not None

    async def load(self) -> tuple[list[KeptJob], int]:
        """All jobs in the file, as `journal_rows.read` orders them, and the last sequence ever given."""
        kept: tuple[list[KeptJob], int] = await self._in_worker(self._read, self._clock.now())
        return kept

    def submitted(self, sequence: int, job: Job, key: str | None) -> Write:
        """A new job. Given up when it cannot be written at once."""
        return self._put(journal_rows.INSERT, [journal_rows.of_new(sequence, job, key)], lasts=False)

    def ended(self, sequence: int, job: Job, size: int) -> Write:
        """A job that has ended; `size` is that of its document, in bytes."""
        return self._put(journal_rows.END, [journal_rows.of_end(sequence, job, size)])

    def raised(self, sequence: int, ceiling: int) -> Write:
        """No revision above `ceiling` will be shown before the end."""
        return self._put(journal_rows.RAISE, [(ceiling, sequence)])

    def removed(self, sequences: Iterable[int]) -> Write:
        """Jobs that are kept no more."""
        return self._put(journal_rows.DELETE, [(sequence,) for sequence in sequences])

    def _put(self, statement: str, rows: list[tuple[Any, ...]], *, lasts: bool = True) -> Write:
        write = Write(statement, rows, lasts)
        if self.is_writable or lasts:
            self._queue.append(write)
        if not self.is_writable:
            write.attempted.set_result(False)
        elif self._flusher is None:
            self._flusher = asyncio.get_running_loop().create_task(self._flush(), name="journal")
        return write

    async def _flush(self) -> None:
        try:
            while self._queue or not self.is_writable:
                batch, self._queue = self._queue, []
                try:
                    await self._in_worker(self._commit, batch)
                except Exception as error:
                    self._failed(batch, error)
                    if self._is_closing:
                        return
                    await self._clock.sleep(RETRY_SECONDS)
                else:
                    self._succeeded(batch)
        finally:
            self._flusher = None

    def _failed(self, batch: list[Write], error: Exception) -> None:
        if self.is_writable:
            self.is_writable = False
            log.error("journal.failed", path=str(self.path), reason=str(error))
        late, self._queue = self._queue, [write for write in batch if write.lasts]
        self._queue += [write for write in late if write.lasts]
        for write in (*batch, *late):
            if not write.attempted.done():
                write.attempted.set_result(False)

    def _succeeded(self, batch: list[Write]) -> None:
        if not self.is_writable:
            self.is_writable = True
            log.warning("journal.recovered", path=str(self.path))
        for write in batch:
            if not write.attempted.done():
                write.attempted.set_result(True)
            write.written.set_result(None)

    async def _in_worker(self, work: Any, *args: Any) -> Any:
        return await asyncio.get_running_loop().run_in_executor(self._worker, partial(work, *args))

    # On the worker's thread.

    def _read(self, now: datetime) -> tuple[list[KeptJob], int]:
        assert self._file is not None
        try:
            connection = self._file.connection
            return journal_rows.read(connection), journal_rows.last_sequence(connection)
        except (sqlite3.Error, TypeError, ValueError) as error:  # damage that the check did not find
            self._file.replace(error, now)
            return [], 0

    def _commit(self, batch: list[Write]) -> None:
        """One transaction; after a failure an empty batch tries whether the disk takes a page again."""
        assert self._file is not None
        connection = self._file.connection
        connection.execute("BEGIN IMMEDIATE")
        try:
            for write in batch:
                connection.executemany(write.statement, write.rows)
            if not batch:
                connection.execute(journal_rows.PROBE)
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise
