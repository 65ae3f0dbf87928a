"""How fast Kameo may be asked: so many requests a minute, and whatever its answers teach.

All jobs share one state, so a 429 pauses everybody. Three things hold a request back: the configured
limit over a sliding minute, a narrower window that a 429 has shown, and the server's own count of what
remains. Bursts up to a limit are fine; nothing is paced.
"""

import asyncio
import math
from collections import deque
from dataclasses import dataclass
from typing import Protocol

from kameo_async.clock import Clock
from kameo_async.kameo.errors import RateLimitedError
from kameo_async.kameo.transport import Observer

LONGEST_WAIT_SECONDS = 120

_MINUTE = 60.0
_UNKNOWN_WAIT_SECONDS = 15.0
_LONGEST_WINDOW_SECONDS = 300.0
_FORGET_AFTER_SECONDS = 600.0


@dataclass(frozen=True, slots=True)
class Feedback:
    """What an answer says of the rate: what remains, and how long to stay away (null: it does not say)."""

    limited: bool = False
    limit: int | None = None
    remaining: int | None = None
    wait_seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Admission:
    """A request that may go, by its number; or, without one, how long to wait before asking again.

    `seconds` is null where only an answer to a request under way can tell.
    """

    number: int | None
    seconds: float | None = None


class ThrottleState(Protocol):
    """The bookkeeping that all jobs share."""

    async def reserve(self, per_minute: int) -> Admission:
        """Lets one request go, or says how long not to."""

    async def settle(self, number: int, feedback: Feedback | None) -> None:
        """The request ended, with this to learn from; null when no answer came."""


@dataclass(frozen=True, slots=True)
class _Window:
    """At most `limit` requests in `seconds`; forgotten at `until`."""

    limit: int
    seconds: float
    until: float


class MemoryThrottleState:
    """The bookkeeping of one process. Mutable: everything below; each method is one step without an await."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._sent = 0
        self._under_way: set[int] = set()
        self._ended: deque[float] = deque()  # when recent requests were answered, oldest first
        self._learned: _Window | None = None
        self._paused_until = float("-inf")
        self._told = -1  # the latest request whose answer said what remains
        self._last_allowed: int | None = None  # the highest number that this count allows

    async def reserve(self, per_minute: int) -> Admission:
        now = self._clock.monotonic()
        self._forget(now)
        held = max(self._paused_until, self._free_at(per_minute, _MINUTE, now), self._learned_free_at(now))
        if held > now:
            return Admission(None, None if held == float("inf") else held - now)
        if self._last_allowed is not None and self._sent > self._last_allowed and self._under_way:
            return Admission(None)
        number, self._sent = self._sent, self._sent + 1
        self._under_way.add(number)
        return Admission(number)

    async def settle(self, number: int, feedback: Feedback | None) -> None:
        now = self._clock.monotonic()
        self._under_way.discard(number)
        feedback = feedback or Feedback()
        if feedback.limited:
            self._learn_window(now, feedback)
        else:
            self._ended.append(now)
        wait = feedback.wait_seconds
        if feedback.limited and wait is None:
            wait = _UNKNOWN_WAIT_SECONDS
        self._paused_until = max(self._paused_until, now + (wait or 0))
        if feedback.remaining is not None and number > self._told:
            self._told, self._last_allowed = number, number + feedback.remaining

    def _free_at(self, limit: int, seconds: float, now: float) -> float:
        """When a window has room for one more. A request counts from its answer: it came before."""
        room = limit - len(self._under_way)
        if room <= 0:
            return float("inf")
        return self._ended[-room] + seconds if len(self._ended) >= room else now

    def _learned_free_at(self, now: float) -> float:
        return self._free_at(self._learned.limit, self._learned.seconds, now) if self._learned else now

    def _learn_window(self, now: float, feedback: Feedback) -> None:
        """A 429 shows the length of the server's window: from its first request to the end of the wait."""
        limit = min(feedback.limit or len(self._ended), len(self._ended))
        if feedback.wait_seconds is None or limit == 0:
            return
        seconds = now + feedback.wait_seconds - self._ended[-limit]
        if seconds <= _LONGEST_WINDOW_SECONDS:
            self._learned = _Window(limit, seconds, now + _FORGET_AFTER_SECONDS)

    def _forget(self, now: float) -> None:
        if self._learned and self._learned.until <= now:
            self._learned = None
        kept = max(_MINUTE, self._learned.seconds if self._learned else 0)
        while self._ended and self._ended[0] + kept <= now:
            self._ended.popleft()


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
