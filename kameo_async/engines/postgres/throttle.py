"""One throttle for all processes: the bookkeeping of an account in a row, by the database's clock."""

import hashlib
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from typing import TypeVar

import msgspec

from kameo_async.engines.postgres.connections import Connection, Connections
from kameo_async.engines.postgres.waiting import once_reachable
from kameo_async.jobs.errors import UnavailableError
from kameo_async.kameo.pace import Admission, Feedback, Pace

POLL_SECONDS = 0.25  # where only an answer can tell: it may come in at another process

_ADD = "INSERT INTO throttle (account, state) VALUES (%s, '{}') ON CONFLICT DO NOTHING"
_LOCK = "SELECT state::text FROM throttle WHERE account = %s FOR UPDATE"
_NOW = "SELECT extract(epoch FROM coalesce(%s::timestamptz, clock_timestamp()))::float8"
_WRITE = "UPDATE throttle SET state = %s WHERE account = %s"

T = TypeVar("T")

_decoder = msgspec.json.Decoder(Pace)


def account_key(account: str) -> str:
    """What stands for an account in the database, which is told no names."""
    return hashlib.sha256(account.encode()).hexdigest()


class PostgresThrottleState:
    """The bookkeeping of one account. Mutable: `_ended`, what the database has not been told yet."""

    def __init__(self, connections: Connections, account: str) -> None:
        self._connections = connections
        self._key = account_key(account)
        self._ended: dict[int, Feedback | None] = {}

    async def reserve(self, per_minute: int) -> Admission:
        admission = await once_reachable(
            lambda: self._change(lambda pace, now: pace.reserve(per_minute, now))
        )
        if admission.number is None and admission.seconds is None:
            return replace(admission, seconds=POLL_SECONDS)
        return admission

    async def settle(self, number: int, feedback: Feedback | None) -> None:
        """While the database is away it is kept, and told before the next request."""
        self._ended[number] = feedback
        with suppress(UnavailableError):
            await self._change(lambda pace, now: None)

    async def _change(self, step: Callable[[Pace, float], T]) -> T:
        ended = dict(self._ended)
        async with self._connections.transaction() as connection:
            pace, now = await self._locked(connection)
            for number, feedback in ended.items():
                pace.settle(number, feedback, now)
            result = step(pace, now)
            await connection.execute(_WRITE, (msgspec.json.encode(pace).decode(), self._key))
        for number in ended:
            self._ended.pop(number, None)
        return result

    async def _locked(self, connection: Connection) -> tuple[Pace, float]:
        """The clock is read once the row is ours, so that it goes forward from one to the next."""
        await connection.execute(_ADD, (self._key,))
        [(state,)] = await (await connection.execute(_LOCK, (self._key,))).fetchall()
        [(now,)] = await (await connection.execute(_NOW, (self._connections.now(),))).fetchall()
        return _decoder.decode(state), now
