"""Time, handed in from outside, so that tests move it instead of waiting for it."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Protocol


class Timer(Protocol):
    """What `Clock.call_later` gives: the one thing to do with it is to call it off."""

    def cancel(self) -> None: ...


class Clock(Protocol):
    """Two times that must not be mixed: what people read, and what durations are measured by."""

    def now(self) -> datetime:
        """The wall clock, in UTC. It may jump; only shown, never subtracted."""

    def monotonic(self) -> float:
        """Seconds since an arbitrary point. It never jumps."""

    def call_later(self, seconds: float, callback: Callable[[], object]) -> Timer:
        """Calls `callback` on the running loop after `seconds` of monotonic time."""

    async def sleep(self, seconds: float) -> None:
        """Returns after `seconds` of monotonic time."""


class SystemClock:
    """The clock of this machine."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    def monotonic(self) -> float:
        return asyncio.get_running_loop().time()

    def call_later(self, seconds: float, callback: Callable[[], object]) -> Timer:
        return asyncio.get_running_loop().call_later(seconds, callback)

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)
