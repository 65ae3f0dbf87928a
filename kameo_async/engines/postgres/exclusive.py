"""One process at a time, over all machines."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import psycopg

from kameo_async.engines.postgres.connections import Connection, Connections
from kameo_async.engines.postgres.waiting import once_reachable
from kameo_async.jobs.errors import UnavailableError

_BEAT_SECONDS = 1.5
_LOCK = "SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))"


@asynccontextmanager
async def exclusive(connections: Connections, key: str) -> AsyncIterator[None]:
    """Held by one process of all; the others wait.

    It is a lock of a transaction that is kept from being idle: who is killed inside lets go at once, who is
    frozen there after the five seconds that connections.py allows.
    """
    connection = await once_reachable(lambda: _locked(connections, key))
    beat = asyncio.create_task(_beat(connection))
    try:
        yield
    finally:
        beat.cancel()
        await asyncio.gather(beat, return_exceptions=True)
        connection.pgconn.finish()


async def _locked(connections: Connections, key: str) -> Connection:
    try:
        connection = await connections.connect()
    except (psycopg.OperationalError, OSError) as error:
        raise UnavailableError("The database cannot be reached; try again later") from error
    try:
        await connection.execute("BEGIN")
        await connection.execute(_LOCK, (key,))
    except BaseException as error:
        connection.pgconn.finish()
        if isinstance(error, psycopg.OperationalError):
            raise UnavailableError("The database went away; try again later") from error
        raise
    return connection


async def _beat(connection: Connection) -> None:
    while True:
        await asyncio.sleep(_BEAT_SECONDS)
        await connection.execute("SELECT 1")
