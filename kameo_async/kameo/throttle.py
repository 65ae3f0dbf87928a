"""How fast Kameo may be asked: where requests wait, and the bookkeeping that all jobs share."""

import asyncio
import math
from typing import Protocol

from kameo_async.clock import Clock
from kameo_async.kameo.errors import RateLimitedError
from kameo_async.kameo.pace import Admission, Feedback, Pace
from kameo_async.kameo.transport import Observer

LONGEST_WAIT_SECONDS = 120


class ThrottleState(Protocol):
    """The bookkeeping of one account, which all jobs share: a 429 pauses everybody."""

    async def reserve(self, per_minute: int) -> Admission:
        """Lets one request go, or says how long not to."""

    async def settle(self, number: int, feedback: Feedback | None) -> None:
        """The request ended, with this to learn from; null when no answer came."""


class MemoryThrottleState:
    """The bookkeeping of one process. Mutable: `_pace`; each method is one step without an await."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._pace = Pace()

    async def reserve(self, per_minute: int) -> Admission:
        return self._pace.reserve(per_minute, self._clock.monotonic())

    async def settle(self, number: int, feedback: Feedback | None) -> None:
        self._pace.settle(number, feedback, self._clock.monotonic())


def slow_down(seconds: float | None) -> RateLimitedError:
    """The error for being told to wait; worth a retry only when the wait is short."""
    if seconds is None or seconds <= LONGEST_WAIT_SECONDS:
        return RateLimitedError("Kameo asks to slow down", seconds)
    minutes = math.ceil(seconds / 60)
    return RateLimitedError(
        f"Kameo asks to wait {minutes} minutes before the next request", seconds, retry=False
    )


class Throttle:
    """Where requests wait for their turn, first come first served."""

    def __init__(self, state: ThrottleState, clock: Clock) -> None:
        self._state = state
        self._clock = clock
        self._turn = asyncio.Lock()
        self._changed = asyncio.Event()

    async def acquire(self, per_minute: int, observer: Observer) -> int:
        """Waits for the turn of one request and gives its number, to be settled in any case.

        Raises RateLimitedError when Kameo asks to stay away for longer than two minutes.
        """
        came = self._clock.monotonic()
        async with self._turn:
            while (admission := await self._admission(per_minute)).number is None:
                await self._wait(admission.seconds)
        observer.throttled(self._clock.monotonic() - came)
        return admission.number

    async def settle(self, number: int, feedback: Feedback | None) -> None:
        """Takes in what came of a request."""
        await self._state.settle(number, feedback)
        self._changed.set()

    async def _admission(self, per_minute: int) -> Admission:
        self._changed.clear()
        admission = await self._state.reserve(per_minute)
        if admission.seconds is not None and admission.seconds > LONGEST_WAIT_SECONDS:
            raise slow_down(admission.seconds)
        return admission

    async def _wait(self, seconds: float | None) -> None:
        """Until an answer comes in, but at most so long."""
        timer = None if seconds is None else self._clock.call_later(seconds, self._changed.set)
        try:
            await self._changed.wait()
        finally:
            if timer is not None:
                timer.cancel()
