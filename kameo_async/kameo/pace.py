"""What is known of a rate limit: what was asked when, and what the answers taught. Time comes from outside.

Three things hold a request back: the configured limit over a sliding minute, a narrower window that a 429 has
shown, and the server's own count of what remains. Bursts up to a limit are fine; nothing is paced.
"""

from bisect import insort
from dataclasses import dataclass

from msgspec import Struct, field, structs

_MINUTE = 60.0
_UNKNOWN_WAIT_SECONDS = 15.0
_LONGEST_WINDOW_SECONDS = 300.0
_FORGET_AFTER_SECONDS = 600.0
_LOST_AFTER_SECONDS = 90.0  # longer than a request may take: who sent it was killed


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


class Window(Struct, frozen=True):
    """At most `limit` requests in `seconds`; forgotten at `until`."""

    limit: int
    seconds: float
    until: float


class Pace(Struct):
    """The bookkeeping; can be written as JSON. Times are in seconds of one clock, which is the caller's.

    `under_way` has when each request was let go, `ended` when recent ones were answered, oldest first; `told`
    is the latest request whose answer said what remains, `last_allowed` the highest that this count allows;
    `at` is when it was last used.
    """

    sent: int = 0
    under_way: dict[int, float] = field(default_factory=dict)
    ended: list[float] = field(default_factory=list)
    learned: Window | None = None
    paused_until: float = 0.0
    told: int = -1
    last_allowed: int | None = None
    at: float = 0.0

    def reserve(self, per_minute: int, now: float) -> Admission:
        """Lets one request go, or says how long not to."""
        self._follow(now)
        self._forget(now)
        held = max(self.paused_until, self._free_at(per_minute, _MINUTE, now), self._learned_free_at(now))
        if held > now:
            return Admission(None, None if held == float("inf") else held - now)
        if self.last_allowed is not None and self.sent > self.last_allowed and self.under_way:
            return Admission(None)
        number, self.sent = self.sent, self.sent + 1
        self.under_way[number] = now
        return Admission(number)

    def settle(self, number: int, feedback: Feedback | None, now: float) -> None:
        """The request ended, with this to learn from; null when no answer came. Once more changes nothing."""
        self._follow(now)
        feedback = feedback or Feedback()
        is_news = self.under_way.pop(number, None) is not None
        if feedback.limited:
            self._learn_window(feedback, now)
        elif is_news:
            self.ended.append(now)
        wait = feedback.wait_seconds
        if feedback.limited and wait is None:
            wait = _UNKNOWN_WAIT_SECONDS
        self.paused_until = max(self.paused_until, now + (wait or 0))
        if feedback.remaining is not None and number > self.told:
            self.told, self.last_allowed = number, number + feedback.remaining

    def _free_at(self, limit: int, seconds: float, now: float) -> float:
        """When a window has room for one more. A request counts from its answer: it came before."""
        room = limit - len(self.under_way)
        if room <= 0:
            return float("inf")
        return self.ended[-room] + seconds if len(self.ended) >= room else now

    def _learned_free_at(self, now: float) -> float:
        return self._free_at(self.learned.limit, self.learned.seconds, now) if self.learned else now

    def _learn_window(self, feedback: Feedback, now: float) -> None:
        """A 429 shows the length of the server's window: from its first request to the end of the wait."""
        limit = min(feedback.limit or len(self.ended), len(self.ended))
        if feedback.wait_seconds is None or limit == 0:
            return
        seconds = now + feedback.wait_seconds - self.ended[-limit]
        if seconds <= _LONGEST_WINDOW_SECONDS:
            self.learned = Window(limit, seconds, now + _FORGET_AFTER_SECONDS)

    def _follow(self, now: float) -> None:
        """A clock that is set back takes along what was written by it; else all would wait so much longer."""
        back, self.at = self.at - now, now
        if back > 0:
            self.under_way = {number: at - back for number, at in self.under_way.items()}
            self.ended = [at - back for at in self.ended]
            self.paused_until -= back
            if self.learned:
                self.learned = structs.replace(self.learned, until=self.learned.until - back)

    def _forget(self, now: float) -> None:
        for number in [one for one, at in self.under_way.items() if at + _LOST_AFTER_SECONDS <= now]:
            insort(self.ended, self.under_way.pop(number) + _LOST_AFTER_SECONDS)
        if self.learned and self.learned.until <= now:
            self.learned = None
        kept = max(_MINUTE, self.learned.seconds if self.learned else 0)
        while self.ended and self.ended[0] + kept <= now:
            del self.ended[0]
