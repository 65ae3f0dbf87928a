"""The throttle against servers with limits of their own, on a simulated clock."""

import asyncio
import heapq
import itertools
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from kameo_async.kameo.errors import RateLimitedError
from kameo_async.kameo.pace import Feedback
from kameo_async.kameo.throttle import MemoryThrottleState, Throttle
from kameo_async.kameo.transport import NoObserver
from kameo_async.web.metrics import Metrics


class _Call:
    def __init__(self, callback: Callable[[], object]) -> None:
        self.callback: Callable[[], object] | None = callback

    def cancel(self) -> None:
        self.callback = None


class EventClock:
    """Time moves to the next event when nothing else is left to do: concurrent waits keep their order."""

    def __init__(self) -> None:
        self._time = 0.0
        self._calls: list[tuple[float, int, _Call]] = []
        self._order = itertools.count()

    def now(self) -> datetime:
        return datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=self._time)

    def monotonic(self) -> float:
        return self._time

    def call_later(self, seconds: float, callback: Callable[[], object]) -> _Call:
        call = _Call(callback)
        heapq.heappush(self._calls, (self._time + seconds, next(self._order), call))
        return call

    async def sleep(self, seconds: float) -> None:
        event = asyncio.Event()
        self.call_later(seconds, event.set)
        await event.wait()

    async def run(self, work: asyncio.Task[None]) -> float:
        """Moves time until `work` is done; the seconds that it took."""
        while not work.done():
            for _ in range(20):
                await asyncio.sleep(0)
            if work.done() or not self._calls:
                continue
            self._time, _, call = heapq.heappop(self._calls)
            if call.callback is not None:
                call.callback()
        await work
        return self._time


class Server:
    """Allows `limit` requests in `seconds`, by a sliding or a fixed window, and counts its refusals."""

    def __init__(self, clock: EventClock, limit: int, seconds: float, *, fixed: bool, headers: bool) -> None:
        self._clock = clock
        self._limit = limit
        self._seconds = seconds
        self._fixed = fixed
        self._headers = headers
        self._taken: list[float] = []
        self.refused = 0

    def ask(self) -> Feedback:
        now = self._clock.monotonic()
        self._taken = self._still_counted(now)
        if len(self._taken) < self._limit:
            self._taken.append(now)
            left = self._limit - len(self._taken)
            return Feedback(False, self._limit, left) if self._headers else Feedback()
        self.refused += 1
        wait = -(-(self._taken[0] + self._seconds - now) // 1)
        return Feedback(True, self._limit if self._headers else None, 0 if self._headers else None, wait)

    def _still_counted(self, now: float) -> list[float]:
        if self._fixed:
            return [] if self._taken and now >= self._taken[0] + self._seconds else self._taken
        return [time for time in self._taken if time + self._seconds > now]


async def fetch(clock: EventClock, throttle: Throttle, server: Server, pages: int, per_minute: int) -> None:
    """The first page, then six at a time, each 0.1 s on its way."""
    slots = asyncio.Semaphore(6)

    async def page() -> None:
        async with slots:
            while True:
                number = await throttle.acquire(per_minute, NoObserver())
                feedback = server.ask()
                await clock.sleep(0.1)
                await throttle.settle(number, feedback)
                if not feedback.limited:
                    return

    await page()
    await asyncio.gather(*(page() for _ in range(pages - 1)))


async def timed(server: Server, clock: EventClock, pages: int, per_minute: int = 6000) -> float:
    """The seconds that a fetch takes."""
    throttle = Throttle(MemoryThrottleState(clock), clock)
    return await clock.run(asyncio.ensure_future(fetch(clock, throttle, server, pages, per_minute)))


@pytest.mark.parametrize("fixed", [True, False])
async def test_learns_the_window_from_one_refusal(fixed: bool):
    """Where 20 requests in 8 s are allowed, 40 pages meet one refusal and lose little time."""
    clock = EventClock()
    server = Server(clock, 20, 8, fixed=fixed, headers=True)
    assert await timed(server, clock, 40) <= 8 * 1.15
    assert server.refused <= 1


async def test_stays_within_a_learned_window():
    """A window once learned is kept: five windows' worth of pages meet one refusal."""
    clock = EventClock()
    server = Server(clock, 20, 8, fixed=False, headers=True)
    assert await timed(server, clock, 100) <= 4 * 8 * 1.15
    assert server.refused <= 1


async def test_without_headers():
    """A server that tells nothing but `Retry-After` refuses no more than what was under way."""
    clock = EventClock()
    server = Server(clock, 20, 8, fixed=False, headers=False)
    assert await timed(server, clock, 60) <= 2 * 8 * 1.2
    assert server.refused <= 6


async def test_burst_up_to_the_limit():
    """Requests within the limit are not paced; the next one waits for the minute to pass."""
    for pages, least, most in ((45, 0, 2), (46, 60, 61)):
        clock = EventClock()
        server = Server(clock, 60, 60, fixed=False, headers=True)
        assert least <= await timed(server, clock, pages, per_minute=45) <= most
        assert server.refused == 0


async def test_a_pause_is_for_everybody():
    """After a 429 every job waits, not only the one that got it."""
    clock = EventClock()
    throttle = Throttle(MemoryThrottleState(clock), clock)

    async def job() -> None:
        number = await throttle.acquire(45, NoObserver())
        await throttle.settle(number, Feedback(limited=True, wait_seconds=30))
        await throttle.acquire(45, NoObserver())

    assert await clock.run(asyncio.ensure_future(job())) == pytest.approx(30)


async def test_a_long_pause_is_an_error():
    """Whoever comes while Kameo asks to stay away for long is told so at once."""
    clock = EventClock()
    throttle = Throttle(MemoryThrottleState(clock), clock)
    number = await throttle.acquire(45, NoObserver())
    await throttle.settle(number, Feedback(limited=True, wait_seconds=3600))
    with pytest.raises(RateLimitedError, match="60 minutes"):
        await throttle.acquire(45, NoObserver())


async def test_a_cancelled_wait_passes_the_turn_on():
    """A job cancelled while it waits does not keep the next one waiting."""
    clock = EventClock()
    throttle = Throttle(MemoryThrottleState(clock), clock)
    first = await throttle.acquire(1, NoObserver())
    waiting = asyncio.ensure_future(throttle.acquire(1, NoObserver()))
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    await throttle.settle(first, None)

    async def job() -> None:
        await throttle.acquire(1, NoObserver())

    assert await clock.run(asyncio.ensure_future(job())) == pytest.approx(60)


async def test_the_time_that_requests_wait_is_a_metric() -> None:
    """Two go at once and the third a minute later: Prometheus is told of 60 s."""
    clock, metrics = EventClock(), Metrics()
    throttle = Throttle(MemoryThrottleState(clock), clock)

    async def ask() -> None:
        for _ in range(3):
            await throttle.settle(await throttle.acquire(2, metrics), None)

    assert await clock.run(asyncio.ensure_future(ask())) == 60
    assert "\nkameo_async_upstream_throttle_seconds_total 60.0\n" in metrics.expose().decode()
