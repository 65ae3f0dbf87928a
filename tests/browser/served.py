"""The service in the tests' own loop: the same front door, without what it costs to start a process."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any, NamedTuple

from aiohttp import web
from pydantic import SecretStr

from kameo_async.app import create_app
from kameo_async.clock import Clock, SystemClock
from kameo_async.kameo.config import KameoConfig
from kameo_async.sandbox.server import RunningSandbox
from kameo_async.settings import Mode, ServiceSettings
from kameo_async.web.keys import JOBS
from kameo_async.web.protocol import Runner
from kameo_async.web.sockets import SOCKETS
from tests.browser.processes import RATE_LIMIT

NOBODY = KameoConfig(email=None, password=None)


class HurriedClock(SystemClock):
    """Waits a hundredth of what it is asked to, so that retries come soon."""

    async def sleep(self, seconds: float) -> None:
        await super().sleep(seconds / 100)


class Served(NamedTuple):
    """Where a service's page is."""

    url: str


def config_of(sandbox: RunningSandbox, **changes: Any) -> KameoConfig:
    """How a service reaches that sandbox, in no hurry to spare it."""
    config = KameoConfig(
        email=sandbox.email,
        password=SecretStr(sandbox.password),
        totp_secret=SecretStr(sandbox.totp_secret),
        base_url=sandbox.base_url,
        api_url=sandbox.api_url,
        requests_per_minute=RATE_LIMIT,
    )
    return replace(config, **changes)


@asynccontextmanager
async def served(
    config: KameoConfig, *, mode: Mode = "live", clock: Clock | None = None, **settings: Any
) -> AsyncIterator[Served]:
    """A service on a free port; `settings` are those of ServiceSettings."""
    own = ServiceSettings(**{"shutdown_grace_seconds": 0, **settings})
    app = create_app(own, mode=mode, read_config=lambda: config, clock=clock)
    runner = Runner(app)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield Served(f"http://127.0.0.1:{runner.addresses[0][1]}/")
        await app[JOBS].close()
        await app[SOCKETS].close()
    finally:
        await runner.cleanup()
