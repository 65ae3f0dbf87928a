"""Everything that a running sandbox keeps, for the handlers of both hosts."""

import asyncio
from datetime import datetime, timedelta
from random import Random

from aiohttp import web

from kameo_async.clock import Clock
from kameo_async.sandbox.account import Account, Session, Sessions
from kameo_async.sandbox.data import Market
from kameo_async.sandbox.faults import Faults
from kameo_async.sandbox.limit import RateLimit
from kameo_async.sandbox.options import SandboxOptions
from kameo_async.sandbox.record import Record

COOKIE = "eZSESSID"


class World:
    """The account, its sessions, the loans, the limit, the faults and the record."""

    def __init__(self, options: SandboxOptions, clock: Clock) -> None:
        self.options = options
        self.clock = clock
        self.account = Account(options.email, options.password, options.totp_secret)
        self.sessions = Sessions()
        self.market = Market(options.seed, options.pages)
        self.limit = RateLimit(options.rate_limit, options.rate_window, clock)
        self.faults = Faults(options.faults)
        self.record = Record()
        self.closing = asyncio.Event()
        self._random = Random(options.seed)  # noqa: S311 - no secret
        self._started_at = clock.now()
        self._started = clock.monotonic()

    def now(self) -> datetime:
        """The time in the sandbox, which passes `pace` times as fast as ours."""
        passed = self.clock.monotonic() - self._started
        return self._started_at + timedelta(seconds=passed * self.options.pace)

    async def pause(self) -> None:
        """As long as the API takes for a call."""
        if self.options.latency[1] > 0:
            await self.clock.sleep(self._random.uniform(*self.options.latency))

    def session_of(self, request: web.Request) -> Session | None:
        return self.sessions.find(request.cookies.get(COOKIE))


WORLD = web.AppKey("world", World)
