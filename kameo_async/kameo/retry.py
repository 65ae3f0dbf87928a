"""Whether a request that failed is tried again, and after how long."""

import random

from kameo_async.kameo.errors import MaintenanceError, RateLimitedError, UpstreamUnavailableError

ATTEMPTS = 5
ATTEMPTS_AT_MAINTENANCE = 3  # it takes longer than any retry, and people want to know

_SHORTEST_SECONDS = 0.2
_LONGEST_SECONDS = 10.0


def pause_after(error: UpstreamUnavailableError, attempt: int) -> float | None:
    """Seconds before the next try; null where there is none. `attempt` is the one that failed, from 1."""
    attempts = ATTEMPTS_AT_MAINTENANCE if isinstance(error, MaintenanceError) else ATTEMPTS
    if not error.retry or attempt >= attempts:
        return None
    if isinstance(error, RateLimitedError) and (error.seconds or 0) >= 1:
        return 0.0  # the throttle already holds everybody back
    longest = min(_LONGEST_SECONDS, 2.0 ** (attempt - 1))
    return random.uniform(_SHORTEST_SECONDS, longest)  # noqa: S311 - spreads those that failed together
