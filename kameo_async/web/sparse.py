"""A log line that may come thousands of times a second, told now and then with a count of the rest."""

import time
from collections.abc import Callable
from typing import Literal

import structlog

log = structlog.get_logger()


class Sparse:
    """Says a thing at most once in `seconds`; the next time it tells how many were left out."""

    def __init__(
        self,
        level: Literal["warning", "error"],
        seconds: float,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._level = level
        self._seconds = seconds
        self._monotonic = monotonic
        self._next = 0.0
        self._left_out = 0

    def say(self, event: str, **fields: object) -> None:
        now = self._monotonic()
        if now < self._next:
            self._left_out += 1
            return
        # The logger is looked up late: at import it is not configured yet.
        getattr(log, self._level)(event, left_out=self._left_out, **fields)
        self._next, self._left_out = now + self._seconds, 0
