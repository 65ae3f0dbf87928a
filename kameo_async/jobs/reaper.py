"""The background coroutine that removes finished jobs when their time is over."""

import asyncio
from datetime import datetime
from typing import Self

import structlog

from kameo_async.clock import Clock
from kameo_async.jobs.store import JobStore

log = structlog.get_logger()

SLICE = 20  # jobs removed before others get the loop


class Reaper:
    """Looks through the store every `interval_seconds`; an async context manager.

    An exception of its own is logged and ends nothing but that round. `last_run_at` is the end of the last
    round that went well (UTC; None before the first), `failures` counts the others.
    """

    def __init__(self, store: JobStore, clock: Clock, interval_seconds: float) -> None:
        self._store = store
        self._clock = clock
        self._interval_seconds = interval_seconds
        self._task: asyncio.Task[None] | None = None
        self.last_run_at: datetime | None = None
        self.failures = 0

    @property
    def is_alive(self) -> bool:
        return self._task is not None and not self._task.done()

    async def __aenter__(self) -> Self:
        self._task = asyncio.get_running_loop().create_task(self._run(), name="reaper")
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self) -> None:
        while True:
            await self._clock.sleep(self._interval_seconds)
            try:
                await self._reap()
                self.last_run_at = self._clock.now()
            except Exception:
                self.failures += 1
                log.exception("reaper.failed")

    async def _reap(self) -> None:
        expired = 0
        while count := await self._store.expire(SLICE):
            expired += count
            await asyncio.sleep(0)
        if expired:
            log.info("reaper.expired", jobs=expired)
