"""What an answer's headers say of the rate limit."""

from kameo_async.clock import Clock
from kameo_async.kameo.pace import Feedback
from kameo_async.kameo.site import read_date
from kameo_async.kameo.transport import Answer

_TOO_MANY_REQUESTS = 429
_LONGEST_RESET_SECONDS = 3600
_SPARE_FRACTION = 0.05  # servers count in whole seconds, so that their wait may be a little short
_SPARE_SECONDS = 1.0


def feedback_of(answer: Answer, clock: Clock) -> Feedback:
    """Reads `x-ratelimit-*` and `Retry-After` (seconds or a date, RFC 9110 section 10.2.3)."""
    limited = answer.status == _TOO_MANY_REQUESTS
    remaining = _integer(answer, "X-RateLimit-Remaining")
    wait = None
    if limited:
        wait = _retry_after(answer, clock)
    if wait is None and (limited or remaining == 0):
        wait = _until_reset(answer, clock)
    if wait is not None:
        wait += min(_SPARE_SECONDS, wait * _SPARE_FRACTION)
    return Feedback(limited, _integer(answer, "X-RateLimit-Limit"), 0 if limited else remaining, wait)


def _integer(answer: Answer, name: str) -> int | None:
    text = answer.headers.get(name, "").strip()
    return int(text) if text.isascii() and text.isdecimal() and len(text) <= 12 else None


def _retry_after(answer: Answer, clock: Clock) -> float | None:
    seconds = _integer(answer, "Retry-After")
    if seconds is not None:
        return float(seconds)
    time = read_date(answer.headers.get("Retry-After", ""))
    return None if time is None else max(0.0, time.timestamp() - _server_time(answer, clock))


def _until_reset(answer: Answer, clock: Clock) -> float | None:
    """`x-ratelimit-reset` is a Unix time by the server's clock; one far away is not believed."""
    reset = _integer(answer, "X-RateLimit-Reset")
    if reset is None:
        return None
    seconds = reset - _server_time(answer, clock)
    return max(0.0, seconds) if seconds <= _LONGEST_RESET_SECONDS else None


def _server_time(answer: Answer, clock: Clock) -> float:
    time = read_date(answer.headers.get("Date", ""))
    return (time or clock.now()).timestamp()
