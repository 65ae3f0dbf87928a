"""One login for all processes: its session under a seal, used-up codes and refused credentials in tables."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, LiteralString

from kameo_async.engines.postgres.connections import Connections
from kameo_async.engines.postgres.exclusive import exclusive
from kameo_async.engines.postgres.seal import sealed, unsealed
from kameo_async.engines.postgres.throttle import account_key
from kameo_async.engines.postgres.waiting import once_reachable
from kameo_async.kameo.archive.codes import FORGET_CODES, FUTURE_STEPS, KEPT_STEPS, USE_CODE
from kameo_async.kameo.credentials import Credentials
from kameo_async.kameo.login import LoggedIn
from kameo_async.kameo.session import Session

_CURRENT = "SELECT number, sealed FROM login WHERE account = %s"
_OPEN = (
    "INSERT INTO login (account, sealed) VALUES (%s, %s)"
    " ON CONFLICT (account) DO UPDATE SET sealed = excluded.sealed, number = DEFAULT RETURNING number"
)
_REFUSED = "SELECT reason FROM refusal WHERE account = %s AND digest = %s"
_REFUSE = "INSERT INTO refusal (account, digest, reason) VALUES (%s, %s, %s) ON CONFLICT DO NOTHING"
_PARDON = "DELETE FROM refusal WHERE account = %s AND digest = %s"


class PostgresSessionState:
    """The state of all processes.

    Mutable: `_locks` (a process waits for the others once, not once a job) and `_known` (the last session),
    by account; `_unshared`. Without an authenticator's secret a session is not shared, since the password
    alone would be its key.
    """

    def __init__(self, connections: Connections) -> None:
        self._connections = connections
        self._locks: dict[str, asyncio.Lock] = {}
        self._known: dict[str, Session] = {}
        self._unshared = 0

    @asynccontextmanager
    async def exclusive(self, account: str) -> AsyncIterator[None]:
        async with (
            self._locks.setdefault(account, asyncio.Lock()),
            exclusive(self._connections, account_key(account)),
        ):
            yield

    async def current(self, credentials: Credentials) -> Session | None:
        known = self._known.get(credentials.account)
        if not credentials.has_key:
            return known
        key = account_key(credentials.account)
        for number, seal in await self._rows(_CURRENT, key):
            if known is not None and known.number == number:
                return known
            if login := unsealed(await credentials.key(), key, seal):
                return self._keep(credentials, number, login)
        return None

    async def open(self, credentials: Credentials, done: LoggedIn) -> Session:
        key = account_key(credentials.account)
        await self._rows(_PARDON, key, await credentials.digest())
        if credentials.has_key:
            seal = sealed(await credentials.key(), key, done)
            [(number,)] = await self._rows(_OPEN, key, seal)
        else:
            number = self._unshared = self._unshared - 1
        return self._keep(credentials, number, done)

    async def use_code(self, account: str, step: int) -> bool:
        await self._rows(_of_postgres(FORGET_CODES), step - KEPT_STEPS)
        return bool(await self._rows(_of_postgres(USE_CODE), account_key(account), step, FUTURE_STEPS))

    async def refused(self, credentials: Credentials) -> str | None:
        rows = await self._rows(_REFUSED, account_key(credentials.account), await credentials.digest())
        return rows[0][0] if rows else None

    async def refuse(self, credentials: Credentials, reason: str) -> None:
        await self._rows(_REFUSE, account_key(credentials.account), await credentials.digest(), reason)

    def _keep(self, credentials: Credentials, number: int, login: LoggedIn) -> Session:
        session = Session(number, login.cookies, login.skew, login.two_factor)
        self._known[credentials.account] = session
        return session

    async def _rows(self, statement: LiteralString, *values: Any) -> list[tuple[Any, ...]]:
        async def ask() -> list[tuple[Any, ...]]:
            async with self._connections.use() as connection:
                cursor = await connection.execute(statement, values)
                return await cursor.fetchall() if cursor.description else []

        return await once_reachable(ask)


class LoginsByHand(PostgresSessionState):
    """For a person who tries the settings: a login of its own, whatever was refused before.

    The others may use it. Mutable, beside: `_own`.
    """

    def __init__(self, connections: Connections) -> None:
        super().__init__(connections)
        self._own: Session | None = None

    async def current(self, credentials: Credentials) -> Session | None:
        return self._own

    async def open(self, credentials: Credentials, done: LoggedIn) -> Session:
        self._own = await super().open(credentials, done)
        return self._own

    async def refused(self, credentials: Credentials) -> str | None:
        return None


def _of_postgres(statement: LiteralString) -> LiteralString:
    return statement.replace("?", "%s")
