"""Tries a configuration step by step, for people who set it up."""

from collections.abc import AsyncIterator

from kameo_async.clock import Clock
from kameo_async.kameo.archive import Archive
from kameo_async.kameo.archived_session import ArchivedSessionState
from kameo_async.kameo.client import Query, Upstream
from kameo_async.kameo.config import KameoConfig
from kameo_async.kameo.login import Tell
from kameo_async.kameo.shared import Shared
from kameo_async.kameo.transport import open_session


async def check(
    config: KameoConfig, clock: Clock, tell: Tell, shared: Shared | None = None
) -> AsyncIterator[tuple[str, str]]:
    """Yields what worked as (step, detail); `tell` hears what takes time. Raises the first KameoError."""
    async with open_session() as session:
        shared = shared or Shared(Archive(None, clock))
        logins = shared.logins or ArchivedSessionState(shared.archive)
        client = Upstream(session, clock, logins=logins, rates_of=shared.rates_of).client(config, tell)
        yield "settings", f"{config.email} at {config.base_url}, API {config.api_url}"
        login = await client.log_in()
        yield "clock", _skew(login.skew)
        yield "login", "password and two-factor code accepted" if login.two_factor else "password accepted"
        page = await client.page(Query(), 1)
        of = "" if page.total is None else f" of {page.total}"
        yield "listing", f"{len(page.loans)}{of} loans read, {len(page.broken)} broken"


def _skew(seconds: float) -> str:
    if not seconds:
        return "agrees with Kameo's"
    return f"{abs(seconds):.0f} s {'behind' if seconds > 0 else 'ahead of'} Kameo's"
