"""The database's clock, as this process knows it: one time for all machines, whatever their own say."""

from collections.abc import Callable
from datetime import datetime, timedelta

from kameo_async.clock import Clock, Timer


class DatabaseClock:
    """A clock whose `now` is the database's, as it was when it last answered, and the time since.

    Durations are measured by the clock it is made from. Mutable: `_known`, `_at`.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._known: datetime | None = None
        self._at = 0.0

    def set(self, now: datetime) -> None:
        """The database has just said what time it is."""
        self._known, self._at = now, self._clock.monotonic()

    def now(self) -> datetime:
        if self._known is None:
            return self._clock.now()
        return self._known + timedelta(seconds=self._clock.monotonic() - self._at)

    def monotonic(self) -> float:
        return self._clock.monotonic()

    def call_later(self, seconds: float, callback: Callable[[], object]) -> Timer:
        return self._clock.call_later(seconds, callback)

    async def sleep(self, seconds: float) -> None:
        await self._clock.sleep(seconds)
