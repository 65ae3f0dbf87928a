"""The archive of loans in PostgreSQL, by the statements that the one in a file has.

The tables hold several sources of loans (real and invented ones never mix); views of them show the one that
the connection names. Numbers are text, so that no digit is lost.
"""

import asyncio
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any, TypeVar

import psycopg
from psycopg.adapt import Buffer, Dumper, Loader
from psycopg.types.string import StrDumper

from kameo_async.clock import Clock
from kameo_async.engines.postgres.connections import CONNECT_SECONDS, SCHEMA
from kameo_async.engines.postgres.errors import reason
from kameo_async.engines.postgres.waiting import RETRY_SECONDS
from kameo_async.kameo.archive import Archive
from kameo_async.kameo.archive.database import ArchiveError, Database, LostDatabaseError

# A fetch looks up the loans that are listed now, by key. The planner, which cannot tell how few those are,
# would rather read and hash all that was ever seen: 300 ms instead of 20 after a year.
_SETTINGS = (
    f"SET search_path TO {SCHEMA}, pg_catalog; SET client_min_messages TO error;"
    " SET idle_in_transaction_session_timeout TO '5s'; SET statement_timeout TO '30s';"
    " SET enable_hashjoin TO off; SET max_parallel_workers_per_gather TO 0"
)
_NAME = f"SELECT set_config('{SCHEMA}.source', %s, false)"
_LOCK = f"SELECT pg_advisory_xact_lock(hashtextextended(current_setting('{SCHEMA}.source'), 1))"

# PostgreSQL's text cannot hold this character; a private one stands in for it.
_NUL, _STAND_IN = "\0", "\ue000"

T = TypeVar("T")


class PostgresArchive(Archive):
    """The archive of one source of loans; waits for a database that is away."""

    def __init__(self, url: str, source: str, clock: Clock) -> None:
        super().__init__(None, clock)
        self._url = url
        self._source = source

    async def _run(self, work: Callable[[Database], T]) -> T:
        while True:
            try:
                return await super()._run(work)
            except LostDatabaseError:
                await asyncio.sleep(RETRY_SECONDS)

    def _told(self) -> AbstractContextManager[None]:
        return _told()

    def _new(self) -> Database:
        return PostgresDatabase(_connected(self._url, self._source))


class PostgresDatabase:
    """An open connection that sees one source."""

    def __init__(self, connection: psycopg.Connection[tuple[Any, ...]]) -> None:
        self._connection = connection

    def close(self) -> None:
        self._connection.close()

    def query(self, statement: str, *values: Any) -> list[tuple[Any, ...]]:
        cursor = self._connection.execute(_of_postgres(statement), values)
        return cursor.fetchall() if cursor.description else []

    def run_many(self, statement: str, rows: Iterable[Sequence[Any]]) -> None:
        with self._connection.cursor() as cursor:
            cursor.executemany(_of_postgres(statement), rows)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        self._connection.execute("BEGIN")
        try:
            self._connection.execute(_LOCK)
            yield
        except BaseException:
            if not self._connection.closed:
                self._connection.execute("ROLLBACK")
            raise
        self._commit()

    def _commit(self) -> None:
        try:
            self._connection.execute("COMMIT")
        except psycopg.OperationalError as error:  # done again, it might be done twice
            self._connection.close()
            raise ArchiveError(
                f"the database went away while it was written ({reason(error)}); it may hold it or not"
            ) from error


@contextmanager
def _told() -> Iterator[None]:
    """Turns PostgreSQL's errors into an ArchiveError."""
    try:
        yield
    except (psycopg.OperationalError, psycopg.InterfaceError, OSError) as error:
        raise LostDatabaseError(f"the database cannot be reached ({reason(error)})") from error
    except psycopg.Error as error:
        raise ArchiveError(f"the archive in the database cannot be used ({reason(error)})") from error


def _connected(url: str, source: str) -> psycopg.Connection[tuple[Any, ...]]:
    connection = psycopg.connect(
        url,
        autocommit=True,
        connect_timeout=CONNECT_SECONDS,
        application_name="kameo-async archive",
        tcp_user_timeout=10_000,
        keepalives_idle=10,
    )
    try:
        connection.adapters.register_dumper(int, _IntDumper)
        connection.adapters.register_dumper(str, _TextDumper)
        connection.adapters.register_loader("text", _TextLoader)
        connection.execute(_SETTINGS)
        connection.execute(_NAME, (source,))
    except BaseException:
        connection.close()
        raise
    return connection


def _of_postgres(statement: str) -> Any:
    return statement.replace("?", "%s")


class _IntDumper(Dumper):
    """Without a type: the column's is taken, which is text where other numbers have more digits."""

    def dump(self, obj: int) -> bytes:
        return b"%d" % obj


class _TextDumper(StrDumper):
    oid = 0

    def dump(self, obj: str) -> Buffer | None:
        return super().dump(obj.replace(_NUL, _STAND_IN))


class _TextLoader(Loader):
    def load(self, data: Buffer) -> str:
        return bytes(data).decode().replace(_STAND_IN, _NUL)
