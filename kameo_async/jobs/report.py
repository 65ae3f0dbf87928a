"""The `report` that a kind is handed: progress, merged to a bounded number of revisions a second."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

import structlog

from kameo_async.clock import Clock
from kameo_async.jobs.loop_thread import LoopThread
from kameo_async.jobs.models import Progress, text

log = structlog.get_logger()

REVISIONS_PER_SECOND = 10

_EXACT_IN_JSON = 2**53


class Reporter:
    """One job's `Report`: the first progress at once, then the newest at most ten times a second.

    Mutable state: `_latest` (not yet applied), `_pump` (the task that applies, while there is something
    to apply or the last one was less than 0.1 s ago), `_from_thread` (left by a thread, not yet seen).
    """

    def __init__(self, apply: Callable[[Progress], Awaitable[object]], clock: Clock) -> None:
        self._apply = apply
        self._clock = clock
        self._loop = asyncio.get_running_loop()
        self._thread = LoopThread()
        self._latest: Progress | None = None
        self._from_thread: Progress | None = None
        self._is_scheduled = False
        self._pump: asyncio.Task[None] | None = None
        self._closed = False

    def __call__(
        self, done: int, total: int | None = None, *, unit: str = "", message: str = ""
    ) -> Coroutine[Any, Any, None]:
        self._thread.check("report")
        self._offer(_progress(done, total, unit, message))
        return asyncio.sleep(0)

    def from_thread(self, done: int, total: int | None = None, *, unit: str = "", message: str = "") -> None:
        # Written before the flag is read here, read after it is cleared there: none is missed.
        self._from_thread = _progress(done, total, unit, message)
        if not self._is_scheduled and not self._closed:
            self._is_scheduled = True
            self._loop.call_soon_threadsafe(self._collect)

    def close(self) -> Progress | None:
        """Ends reporting; gives the progress that was not applied yet, for the terminal revision."""
        self._closed = True
        self._latest = self._from_thread or self._latest
        if self._pump is not None:
            self._pump.cancel()
        return self._latest

    def _collect(self) -> None:
        self._is_scheduled = False
        progress, self._from_thread = self._from_thread, None
        if progress is not None:
            self._offer(progress)

    def _offer(self, progress: Progress) -> None:
        if self._closed:
            return
        self._latest = progress
        if self._pump is None:
            self._pump = self._loop.create_task(self._apply_newest(), name="job-progress")
            self._pump.add_done_callback(_pump_ended)

    async def _apply_newest(self) -> None:
        try:
            while (progress := self._latest) is not None:
                await self._apply(progress)
                if self._latest is progress:
                    self._latest = None
                await self._clock.sleep(1 / REVISIONS_PER_SECOND)
        finally:
            self._pump = None


def _progress(done: int, total: int | None, unit: str, message: str) -> Progress:
    """Raises TypeError or ValueError to the kind that hands over what no document can show."""
    return Progress(_count(done), None if total is None else _count(total), text(unit), text(message))


def _count(value: int) -> int:
    count = int(value)
    if abs(count) >= _EXACT_IN_JSON:
        raise ValueError("progress is counted in numbers below 2 ** 53")
    return count


def _pump_ended(pump: asyncio.Task[None]) -> None:
    if not pump.cancelled() and (error := pump.exception()) is not None:
        log.error("job.progress_lost", exc_info=error)
