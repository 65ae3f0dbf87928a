"""One login for all jobs: who is logged in, which codes are used up, which credentials were refused."""

import asyncio
import hashlib
from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Protocol

import structlog

from kameo_async.clock import Clock
from kameo_async.kameo.config import KameoConfig
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

    async def current(self, account: str) -> Session | None:
        """The login to use, null when there is none."""

    async def open(self, account: str, done: LoggedIn) -> Session:
        """Keeps a new login in place of the last."""

    async def use_code(self, account: str, step: int) -> bool:
        """Takes the code of a window for oneself; false when it or a later one has been taken."""

    async def refused(self, account: str, digest: str) -> str | None:
        """Why the credentials with this digest were refused; null when these were not."""

    async def refuse(self, account: str, digest: str, reason: str) -> None:
        """Remembers that they were, in place of what was refused before."""


class MemorySessionState:
    """The state of one process. Mutable: all of its dicts, each keyed by account."""

    def __init__(self) -> None:
        self._locks: dict[str, asyncio.Lock] = {}
        self._sessions: dict[str, Session] = {}
        self._steps: dict[str, int] = {}
        self._refused: dict[str, tuple[str, str]] = {}
        self._opened = 0

    def exclusive(self, account: str) -> AbstractAsyncContextManager[None]:
        return self._locks.setdefault(account, asyncio.Lock())

    async def current(self, account: str) -> Session | None:
        return self._sessions.get(account)

    async def open(self, account: str, done: LoggedIn) -> Session:
        self._opened += 1
        session = self._sessions[account] = Session(self._opened, done.cookies, done.skew, done.two_factor)
        return session

    async def use_code(self, account: str, step: int) -> bool:
        if step <= self._steps.get(account, -1):
            return False
        self._steps[account] = step
        return True

    async def refused(self, account: str, digest: str) -> str | None:
        last, reason = self._refused.get(account, ("", ""))
        return reason if last == digest else None

    async def refuse(self, account: str, digest: str, reason: str) -> None:
        self._refused[account] = (digest, reason)


class SessionKeeper:
    """Gives the login of one configuration, and makes one when there is none."""

    def __init__(self, config: KameoConfig, transport: Transport, state: SessionState, clock: Clock) -> None:
        self._config = config
        self._transport = transport
        self._state = state
        self._clock = clock
        config.credentials()
        if config.totp_secret is not None:
            key_of(config.totp_secret)

    async def session(self, tell: Tell, expired: Session | None = None) -> Session:
        """The login to use; after `expired` ran out, another one. Raises KameoError."""
        account = self._config.account
        session = await self._state.current(account)
        if session is not None and session != expired:
            return session
        async with self._state.exclusive(account):
            session = await self._state.current(account)  # somebody may have logged in meanwhile
            if session is not None and session != expired:
                return session
            return await self._log_in(tell)

    async def _log_in(self, tell: Tell) -> Session:
        account = self._config.account
        digest = await asyncio.to_thread(_digest, self._config)
        if reason := await self._state.refused(account, digest):
            raise LoginRefusedError(f"{reason}; not tried again until they are changed")
        login = Login(self._config, self._transport, self._state.use_code, self._clock, tell)
        try:
            done = await login.run()
        except LoginRefusedError as error:
            await self._state.refuse(account, digest, str(error))
            log.warning("kameo.login_refused", reason=str(error))
            raise
        log.info("kameo.logged_in", clock_skew_seconds=round(done.skew))
        return await self._state.open(account, done)


def _digest(config: KameoConfig) -> str:
    """Tells credentials apart without holding them; slow on purpose, as it may be stored."""
    email, password = config.credentials()
    totp = config.totp_secret.get_secret_value() if config.totp_secret else ""
    secret = "\0".join((password, totp)).encode()
    return hashlib.scrypt(secret, salt=email.encode(), n=2**14, r=8, p=1, dklen=16).hex()
