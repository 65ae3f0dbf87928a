"""Holds that no turn of a loop takes long: of the processor's time, which a busy machine changes little."""

import asyncio
import gc
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

MOST_SECONDS = 0.05
_BEAT_SECONDS = 0.005


class _Watch:
    """Looks at each turn how much its thread has worked since the last; what the collector took is no block.

    Waiting for a disk or a lock does not show: for that the linter knows the calls that block.
    """

    def __init__(self) -> None:
        self.most = 0.0
        self._loop = asyncio.get_running_loop()
        self._collected = self._began = 0.0
        self._last = self._worked()
        gc.callbacks.append(self._on_collection)
        self._timer = self._loop.call_later(_BEAT_SECONDS, self._beat)

    def end(self) -> None:
        self._timer.cancel()
        gc.callbacks.remove(self._on_collection)
        self._look()

    def _beat(self) -> None:
        self._look()
        self._timer = self._loop.call_later(_BEAT_SECONDS, self._beat)

    def _look(self) -> None:
        worked = self._worked()
        self.most, self._last = max(self.most, worked - self._last), worked

    def _worked(self) -> float:
        return time.thread_time() - self._collected

    def _on_collection(self, phase: str, _: dict[str, Any]) -> None:
        if phase == "start":
            self._began = time.thread_time()
        else:
            self._collected += time.thread_time() - self._began


@asynccontextmanager
async def unblocked() -> AsyncIterator[None]:
    """Fails where the loop was kept busy for more than 50 ms at a time; not under a tracer, which is slow."""
    watch = _Watch()
    try:
        yield
    finally:
        watch.end()
    assert watch.most < MOST_SECONDS or sys.gettrace(), f"the loop was blocked for {watch.most:.3f} s"
