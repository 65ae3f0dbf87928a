"""A clock that tests move, instead of waiting for it."""

import asyncio
import heapq
import itertools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

_PATIENCE = 10_000  # steps of the loop; more means that something spins

_BUSY: list[Callable[[], bool]] = []  # each says whether something is under way that `idle` must wait for


@contextmanager
def waited_for(is_busy: Callable[[], bool]) -> Iterator[None]:
    """Lets `idle` wait while it holds: for a thread or a database, whose work the loop does not see."""
    _BUSY.append(is_busy)
    try:
        yield
    finally:
        _BUSY.remove(is_busy)


class _Timer:
    def __init__(self, callback: Callable[[], object]) -> None:
        self.callback: Callable[[], object] | None = callback

    def cancel(self) -> None:
        self.callback = None


class FakeClock:
    """A `kameo_async.clock.Clock` on which no time passes but by `advance` and `jump`."""

    def __init__(self, now: datetime = datetime(2026, 1, 31, 12, tzinfo=UTC)) -> None:
        self._now = now
        self._monotonic = 1000.0
        self._timers: list[tuple[float, int, _Timer]] = []
        self._order = itertools.count()
        self.is_broken = False

    @property
    def timers(self) -> int:
        """How many timers wait to fire."""
        return sum(timer.callback is not None for _, _, timer in self._timers)

    def now(self) -> datetime:
        return self._now

    def monotonic(self) -> float:
        if self.is_broken:
            raise OSError("the clock is broken, as the test asked")
        return self._monotonic

    def call_later(self, seconds: float, callback: Callable[[], object]) -> _Timer:
        timer = _Timer(callback)
        heapq.heappush(self._timers, (self._monotonic + seconds, next(self._order), timer))
        return timer

    async def sleep(self, seconds: float) -> None:
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        timer = self.call_later(seconds, lambda: None if done.done() else done.set_result(None))
        try:
            await done
        finally:
            timer.cancel()

    def jump(self, seconds: float) -> None:
        """Sets the wall clock forward, or back; no time passes."""
        self._now += timedelta(seconds=seconds)

    async def advance(self, seconds: float) -> None:
        """Lets time pass: fires the timers in order, and the loop runs idle after each moment."""
        end = self._monotonic + seconds
        await idle()
        while self._timers and self._timers[0][0] <= end:
            due, _, timer = heapq.heappop(self._timers)
            if timer.callback is not None:
                self._pass_until(due)
                timer.callback()
                await idle()
        self._pass_until(end)

    def _pass_until(self, moment: float) -> None:
        if moment > self._monotonic:
            self._now += timedelta(seconds=moment - self._monotonic)
            self._monotonic = moment


async def idle() -> None:
    """Returns when nothing on the loop is ready to run, nor anything that is `waited_for` under way."""
    ready = asyncio.get_running_loop()._ready  # type: ignore[attr-defined]
    for _ in range(_PATIENCE):
        is_busy = any(is_under_way() for is_under_way in _BUSY)
        await asyncio.sleep(0.0002 if is_busy else 0)
        if not ready and not is_busy:
            return
    raise AssertionError("the loop never came to rest")
