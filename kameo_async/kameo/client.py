"""The loan listing of Kameo's API. It is asked nothing but GET: this client can read, never bid."""

import asyncio
import itertools
import math
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import dataclass

import aiohttp
import structlog

from kameo_async.clock import Clock
from kameo_async.kameo.config import KameoConfig
from kameo_async.kameo.errors import (
    LoginRefusedError,
    RateLimitedError,
    SessionExpiredError,
    UpstreamInvalidError,
    UpstreamUnavailableError,
)
from kameo_async.kameo.login import Tell, is_login_page
from kameo_async.kameo.models import ListingPage, read_page
from kameo_async.kameo.pace import Feedback
from kameo_async.kameo.rates import feedback_of
from kameo_async.kameo.retry import pause_after
from kameo_async.kameo.session import MemorySessionState, Session, SessionKeeper, SessionState
from kameo_async.kameo.throttle import MemoryThrottleState, Throttle, ThrottleState, slow_down
from kameo_async.kameo.transport import MAX_JSON_BYTES, Answer, NoObserver, Observer, Transport, check_status

log = structlog.get_logger()

MAX_PAGES = 10_000

RatesOf = Callable[[str], ThrottleState]  # of an account

_ORIGINS = {"SE": "sweden", "NO": "norway", "DK": "denmark"}


@dataclass(frozen=True, slots=True)
class Query:
    """What part of the listing to read: `max_pages` null means through the last page."""

    limit: int = 12
    page: int = 1
    max_pages: int | None = None
    countries: tuple[str, ...] = ("SE", "DK")

    def on_page(self, page: int) -> dict[str, str]:
        """The query of one request."""
        origins = {
            f"subscription_origin_{name}": str(int(code in self.countries)) for code, name in _ORIGINS.items()
        }
        return {**origins, "limit": str(self.limit), "page": str(page)}

    def end(self, last_page: int) -> int:
        """The last page to read when the listing has `last_page` pages."""
        window = MAX_PAGES if self.max_pages is None else self.max_pages
        return min(last_page, self.page + window - 1)

    def count(self, last_page: int) -> int:
        """How many pages that makes; the first is read even where it lies past the last."""
        return max(1, self.end(last_page) - self.page + 1)


class Upstream:
    """What all jobs of a process share: connections, logins and a throttle for each account.

    Mutable: `_throttles`, by account.
    """

    def __init__(
        self,
        session: aiohttp.ClientSession,
        clock: Clock,
        *,
        observer: Observer | None = None,
        logins: SessionState | None = None,
        rates_of: RatesOf | None = None,
    ) -> None:
        self.session = session
        self.clock = clock
        self.observer = observer or NoObserver()
        self.logins = logins or MemorySessionState()
        self._rates_of = rates_of or (lambda account: MemoryThrottleState(clock))
        self._throttles: dict[str, Throttle] = {}

    def client(self, config: KameoConfig, tell: Tell) -> "KameoClient":
        """A client for one job; `tell` hears what takes time. Raises ConfigurationError."""
        return KameoClient(self, config, tell)

    def throttle(self, account: str) -> Throttle:
        """Where the requests of an account wait."""
        if account not in self._throttles:
            self._throttles[account] = Throttle(self._rates_of(account), self.clock)
        return self._throttles[account]


class KameoClient:
    """Reads the listing as one account, for one job."""

    def __init__(self, upstream: Upstream, config: KameoConfig, tell: Tell) -> None:
        self._config = config
        self._tell = tell
        self._clock = upstream.clock
        self._throttle = upstream.throttle(config.account)
        self._observer = upstream.observer
        self._transport = Transport(upstream.session, config, upstream.observer)
        self._keeper = SessionKeeper(config, self._transport, upstream.logins, upstream.clock)
        self._slots = asyncio.Semaphore(config.max_concurrency)

    async def iter_pages(self, query: Query) -> AsyncGenerator[ListingPage, None]:
        """The pages in the listing's order: the first alone, the rest at the same time.

        Goes on when the listing grows meanwhile. Raises KameoError.
        """
        latest = await self.page(query, query.page)
        yield latest
        if latest.last_page is None:
            async with aclosing(self._unnumbered(query, latest)) as pages:
                async for page in pages:
                    yield page
            return
        done = query.page
        while done < (end := query.end(latest.last_page or 0)):
            async with aclosing(self._at_once(query, range(done + 1, end + 1))) as pages:
                async for latest in pages:
                    yield latest
            done = end

    async def log_in(self) -> Session:
        """Makes sure of a login. Raises KameoError."""
        return await self._keeper.session(self._tell)

    async def page(self, query: Query, number: int) -> ListingPage:
        """One page, with a fresh login and new tries where that helps. Raises KameoError."""
        for attempt in itertools.count(1):
            try:
                return await self._page(query, number)
            except UpstreamUnavailableError as error:
                seconds = pause_after(error, attempt)
                if seconds is None:
                    raise
                await self._tell_of_retry(error, attempt, seconds)
            await self._clock.sleep(seconds)
        raise AssertionError  # counting has no end

    async def _at_once(self, query: Query, numbers: range) -> AsyncGenerator[ListingPage, None]:
        tasks = [asyncio.create_task(self._page_in_slot(query, number)) for number in numbers]
        try:
            for task in tasks:
                yield await task
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _page_in_slot(self, query: Query, number: int) -> ListingPage:
        async with self._slots:
            return await self.page(query, number)

    async def _unnumbered(self, query: Query, page: ListingPage) -> AsyncGenerator[ListingPage, None]:
        """Further pages of the older shape: until one is not full, or holds nothing new."""
        seen = set(page.keys())
        for number in range(query.page + 1, query.end(MAX_PAGES) + 1):
            if page.size != query.limit:
                return
            page = await self.page(query, number)
            if seen.issuperset(page.keys()):
                return
            seen.update(page.keys())
            yield page

    async def _page(self, query: Query, number: int) -> ListingPage:
        session = await self._keeper.session(self._tell)
        try:
            return await self._ask(session, query, number)
        except SessionExpiredError:
            log.info("kameo.session_expired")
            session = await self._keeper.session(self._tell, expired=session)
        try:
            return await self._ask(session, query, number)
        except SessionExpiredError as error:
            raise LoginRefusedError("Kameo took the login but does not accept its session") from error

    async def _ask(self, session: Session, query: Query, number: int) -> ListingPage:
        url = (self._config.api / "loans/listing/investment-options").with_query(query.on_page(number))
        ticket = await self._throttle.acquire(self._config.requests_per_minute, self._observer)
        feedback: Feedback | None = None
        try:
            answer = await self._transport.get(
                url,
                session.cookies,
                referer=self._config.site / "aktuella-lan",
                accept="application/json",
                max_bytes=MAX_JSON_BYTES,
            )
            feedback = feedback_of(answer, self._clock)
        finally:
            await self._throttle.settle(ticket, feedback)
        _check(answer, feedback)
        return read_page(answer.body, number, str(self._config.site))

    async def _tell_of_retry(self, error: UpstreamUnavailableError, attempt: int, seconds: float) -> None:
        if isinstance(error, RateLimitedError):
            seconds = max(seconds, error.seconds or 0)
        log.info("kameo.request_retried", reason=str(error), attempt=attempt, seconds=round(seconds, 1))
        await self._tell(f"{error}; trying again in {math.ceil(seconds)} s")


def _check(answer: Answer, feedback: Feedback) -> None:
    target = answer.location
    if answer.status == 401 or (target is not None and is_login_page(target.path)):
        raise SessionExpiredError("The login at Kameo has run out")
    if feedback.limited:
        raise slow_down(feedback.wait_seconds)
    check_status(answer)
    kind = answer.content_type
    if kind and kind != "application/json" and not kind.endswith("+json"):
        raise UpstreamInvalidError("Kameo's API answers with something that is no JSON")
