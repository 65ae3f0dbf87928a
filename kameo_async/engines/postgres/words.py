"""What this process says to the others: which jobs it has changed, by NOTIFY, after the commit.

In the transaction itself a NOTIFY holds a lock of the whole server until the commit is on disk, so that of
all processes' commits one is written at a time. Said afterwards, many are written at once; a word that is
lost between the two costs a second, as any does.
"""

import asyncio
from contextlib import suppress
from typing import LiteralString

from kameo_async.engines.postgres.connections import Connections
from kameo_async.engines.postgres.errors import one_round
from kameo_async.jobs.models import Job

SAY: LiteralString = "SELECT say(%s::text[])"
_LAST_SECONDS = 1.0


class Words:
    """Says together what was changed meanwhile. Mutable state: `_waiting` (words, the oldest first)."""

    def __init__(self, connections: Connections) -> None:
        self._connections = connections
        self._waiting: dict[str, None] = {}
        self._has_some = asyncio.Event()
        self._turn = asyncio.Lock()

    def changed(self, job: Job) -> None:
        """The job has a new revision."""
        self._say(f"{job.status} {job.job_id} {job.revision}")

    def to_cancel(self, job: Job) -> None:
        """The worker that runs it shall stop it."""
        self._say(f"cancel {job.job_id}")

    async def keep_saying(self) -> None:
        """Until it is cancelled."""
        while True:
            await self._has_some.wait()
            async with self._turn:
                await self._say_all()

    async def say_last(self) -> None:
        """Returns when all is said, or will not be."""
        with suppress(TimeoutError):
            async with asyncio.timeout(_LAST_SECONDS), self._turn:
                await self._say_all()

    async def _say_all(self) -> None:
        """To a database that is away nothing is said: whoever comes back to it looks by itself."""
        self._has_some.clear()
        words = list(self._waiting)
        self._waiting.clear()
        if words:
            with one_round("database.not_told"):
                async with self._connections.use() as connection:
                    await connection.execute(SAY, (words,))

    def _say(self, word: str) -> None:
        self._waiting[word] = None
        self._has_some.set()
