"""The API's limit: so many requests in a window that starts with its first request."""

import math
from dataclasses import dataclass

from kameo_async.clock import Clock


@dataclass(frozen=True, slots=True)
class Quota:
    """What is left after a request; `retry_after` (seconds) and `reset` (unix time) where it is refused."""

    limit: int
    remaining: int
    retry_after: int | None = None
    reset: int | None = None

    @property
    def refused(self) -> bool:
        return self.retry_after is not None

    def headers(self) -> dict[str, str]:
        headers = {"x-ratelimit-limit": str(self.limit), "x-ratelimit-remaining": str(self.remaining)}
        if self.retry_after is not None:
            headers |= {"Retry-After": str(self.retry_after), "x-ratelimit-reset": str(self.reset)}
        return headers


class RateLimit:
    """Counts requests of everybody together; a refused one does not count."""

    def __init__(self, limit: int, window_seconds: float, clock: Clock) -> None:
        self._limit = limit
        self._window_seconds = window_seconds
        self._clock = clock
        self._window_ends = -math.inf
        self._used = 0

    def hit(self) -> Quota:
        now = self._clock.monotonic()
        if now >= self._window_ends:
            self._window_ends, self._used = now + self._window_seconds, 0
        if self._used >= self._limit:
            return self.refusal(math.ceil(self._window_ends - now))
        self._used += 1
        return Quota(self._limit, self._limit - self._used)

    def refusal(self, seconds: int) -> Quota:
        """No more for so many seconds."""
        return Quota(self._limit, 0, seconds, math.ceil(self._clock.now().timestamp()) + seconds)
