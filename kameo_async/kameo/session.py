"""One login for all jobs: who is logged in, which codes are used up, which credentials were refused."""

import asyncio
from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Protocol

import structlog

from kameo_async.clock import Clock
from kameo_async.kameo.config import KameoConfig
from kameo_async.kameo.credentials import Credentials
from kameo_async.kameo.errors import LoginRefusedError
from kameo_async.kameo.login import LoggedIn, Login, Tell
from kameo_async.kameo.totp import key_of
from kameo_async.kameo.transport import Transport

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Session:
    """A login that Kameo accepted: the cookies that carry it, and a number that no other has.

    `skew` is the site's clock minus ours, in seconds; `two_factor` whether a code was asked for.
    """

    number: int
    cookies: Mapping[str, str] = field(repr=False)
    skew: float = 0.0
    two_factor: bool = False


class SessionState(Protocol):
    """What is shared of logins. `account` says whose; `step` is a window of 30 s (RFC 6238)."""

    def exclusive(self, account: str) -> AbstractAsyncContextManager[None]:
        """Held while somebody logs in to `account`, so that only one does."""

    async def current(self, credentials: Credentials) -> Session | None:
        """The login to use, null when there is none."""

    async def open(self, credentials: Credentials, done: LoggedIn) -> Session:
        """Keeps a new login in place of the last."""

    async def use_code(self, account: str, step: int) -> bool:
        """Takes the code of a window for oneself; false when it or a later one has been taken."""

    async def refused(self, credentials: Credentials) -> str | None:
        """Why these credentials were refused; null when they were not."""

    async def refuse(self, credentials: Credentials, reason: str) -> None:
        """Remembers that they were."""


class MemorySessionState:
    """The state of one process. Mutable: all of its dicts, keyed by account, and `_opened`."""

    def __init__(self) -> None:
        self._locks: dict[str, asyncio.Lock] = {}
        self._sessions: dict[str, Session] = {}
        self._steps: dict[str, int] = {}
        self._refused: dict[tuple[str, str], str] = {}
        self._opened = 0

    def exclusive(self, account: str) -> AbstractAsyncContextManager[None]:
        return self._locks.setdefault(account, asyncio.Lock())

    async def current(self, credentials: Credentials) -> Session | None:
        return self._sessions.get(credentials.account)

    async def open(self, credentials: Credentials, done: LoggedIn) -> Session:
        self._opened += 1
        session = Session(self._opened, done.cookies, done.skew, done.two_factor)
        self._sessions[credentials.account] = session
        return session

    async def use_code(self, account: str, step: int) -> bool:
        if step <= self._steps.get(account, -1):
            return False
        self._steps[account] = step
        return True

    async def refused(self, credentials: Credentials) -> str | None:
        return self._refused.get((credentials.account, await credentials.digest()))

    async def refuse(self, credentials: Credentials, reason: str) -> None:
        self._refused[credentials.account, await credentials.digest()] = reason


class SessionKeeper:
    """Gives the login of one configuration, and makes one when there is none."""

    def __init__(self, config: KameoConfig, transport: Transport, state: SessionState, clock: Clock) -> None:
        self._config = config
        self._transport = transport
        self._state = state
        self._clock = clock
        self._credentials = Credentials(config)
        if config.totp_secret is not None:
            key_of(config.totp_secret)

    async def session(self, tell: Tell, expired: Session | None = None) -> Session:
        """The login to use; after `expired` ran out, another one. Raises KameoError."""
        session = await self._state.current(self._credentials)
        if session is not None and session != expired:
            return session
        async with self._state.exclusive(self._credentials.account):
            session = await self._state.current(self._credentials)  # somebody may have logged in meanwhile
            if session is not None and session != expired:
                return session
            return await self._log_in(tell)

    async def _log_in(self, tell: Tell) -> Session:
        if reason := await self._state.refused(self._credentials):
            raise LoginRefusedError(f"{reason}; not tried again until they are changed")
        login = Login(self._config, self._transport, self._state.use_code, self._clock, tell)
        try:
            done = await login.run()
        except LoginRefusedError as error:
            await self._state.refuse(self._credentials, str(error))
            log.warning("kameo.login_refused", reason=str(error))
            raise
        log.info("kameo.logged_in", clock_skew_seconds=round(done.skew))
        return await self._state.open(self._credentials, done)
