"""Connections to PostgreSQL: opened when needed, kept for the next, given up at the first doubt.

There is no background task: a database that comes back is used by whoever asks next.
"""

import asyncio
import select
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from datetime import datetime
from typing import Any

import psycopg
import structlog

from kameo_async.engines.postgres.errors import reason
from kameo_async.engines.postgres.patience import answering
from kameo_async.jobs.errors import UnavailableError

log = structlog.get_logger()

Connection = psycopg.AsyncConnection[tuple[Any, ...]]

SCHEMA = "kameo_async"
CONNECT_SECONDS = 3
OPERATION_SECONDS = 8.0

# A process frozen inside a transaction must not hold its rows for longer than its leases, and who waited for
# a row takes it as it is then, whatever the database's default.
_SETTINGS = (
    f"SET search_path TO {SCHEMA}, pg_catalog; SET idle_in_transaction_session_timeout TO '5s';"
    "SET default_transaction_isolation TO 'read committed'; SET timezone TO 'UTC';"
    "SET client_min_messages TO error"
)
# What says that the database is away, or cannot write now, rather than that a statement is wrong.
_AWAY = (
    psycopg.OperationalError,
    psycopg.InterfaceError,
    psycopg.errors.ReadOnlySqlTransaction,
    TimeoutError,
    OSError,
)
_NOT_REACHED = "The database cannot be reached; try again later"


class Connections:
    """At most `size` at once, for at most `seconds` each. `now` replaces the database's clock, for tests.

    Mutable state, changed in synchronous steps only: `_idle` (to be used again), `in_use` (how many are),
    `pids` (of the server's processes behind them), `is_reachable`, `reached_at` (on the loop's clock: since
    when it has answered without a gap; 0: since the start).
    """

    def __init__(
        self,
        url: str,
        size: int = 8,
        now: Callable[[], datetime] | None = None,
        seconds: float = OPERATION_SECONDS,
    ) -> None:
        self.url = url
        self.in_use = 0
        self.pids: set[int] = set()
        self.is_reachable = True
        self.reached_at = 0.0
        self._now = now
        self._seconds = seconds
        self._slots = asyncio.Semaphore(size)
        self._idle: list[Connection] = []

    def now(self) -> datetime | None:
        """The parameter `now` of each statement; None: the database's own clock."""
        return self._now() if self._now is not None else None

    @asynccontextmanager
    async def use(self, seconds: float | None = None) -> AsyncIterator[Connection]:
        """A connection for a few statements, in so many seconds. Raises UnavailableError."""
        self.in_use += 1
        loop = asyncio.get_running_loop()
        until = loop.time() + (seconds or self._seconds)
        try:
            await asyncio.sleep(0)  # `begun` gives what follows a task, of which the time limit is
            async with asyncio.timeout_at(until):
                await self._slots.acquire()
            try:
                async with self._lent(until) as connection:
                    with answering(connection, until - loop.time()):
                        yield connection
            finally:
                self._slots.release()
        except _AWAY as error:
            self._failed(error)
            raise UnavailableError(_NOT_REACHED) from error
        else:
            self._reached()
        finally:
            self.in_use -= 1

    @asynccontextmanager
    async def _lent(self, until: float) -> AsyncIterator[Connection]:
        connection = self._kept()
        if connection is None:
            async with asyncio.timeout_at(until):
                connection = await self._new()
        try:
            yield connection
        finally:
            await self._give_back(connection)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Connection]:
        """The same, all or nothing."""
        async with self.use() as connection, connection.transaction():
            yield connection

    async def connect(self) -> Connection:
        """A new connection, of which the caller takes care. Raises psycopg.Error."""
        connection = await psycopg.AsyncConnection.connect(
            self.url,
            autocommit=True,
            connect_timeout=CONNECT_SECONDS,
            application_name="kameo-async",
            target_session_attrs="read-write",  # a standby, or a primary that was, is no use
            tcp_user_timeout=10_000,
            keepalives_idle=10,
        )
        try:
            with answering(connection, CONNECT_SECONDS):
                await connection.execute(_SETTINGS)
        except BaseException:
            await connection.close()
            raise
        return connection

    async def close(self) -> None:
        """Closes those that nobody uses."""
        while self._idle:
            await self._discard(self._idle.pop())

    def _kept(self) -> Connection | None:
        """An idle one on which the server has said nothing since; what it says unasked is farewell."""
        while self._idle:
            connection = self._idle.pop()
            if not connection.closed and not _has_news(connection):
                return connection
            self._drop(connection)
        return None

    def _drop(self, connection: Connection) -> None:
        """Without a word to the server, which may not listen."""
        self.pids.discard(connection.info.backend_pid if not connection.closed else 0)
        connection.pgconn.finish()

    async def _new(self) -> Connection:
        connection = await self.connect()
        self.pids.add(connection.info.backend_pid)
        return connection

    async def _discard(self, connection: Connection) -> None:
        if not connection.closed:
            self.pids.discard(connection.info.backend_pid)
        with suppress(psycopg.Error):
            await connection.close()

    async def _give_back(self, connection: Connection) -> None:
        is_fit = not connection.closed and connection.info.transaction_status == _AT_REST
        if is_fit:
            self._idle.append(connection)
        else:
            await self._discard(connection)

    def _failed(self, error: BaseException) -> None:
        while self._idle:
            self._drop(self._idle.pop())
        if self.is_reachable:
            self.is_reachable = False
            log.error("database.lost", reason=reason(error))

    def _reached(self) -> None:
        if not self.is_reachable:
            self.is_reachable = True
            self.reached_at = asyncio.get_running_loop().time()
            log.warning("database.recovered")


_AT_REST = psycopg.pq.TransactionStatus.IDLE


def _has_news(connection: Connection) -> bool:
    poll = select.poll()
    poll.register(connection.pgconn.socket, select.POLLIN | select.POLLHUP | select.POLLERR)
    return bool(poll.poll(0))
