"""What other processes do: heard at once by LISTEN, and looked for every second, should a word be lost.

`NOTIFY` says only which job to look at; what is shown is what the row then says.
"""

import asyncio
import re
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager, aclosing, suppress
from datetime import datetime
from typing import TYPE_CHECKING, Any, LiteralString

import psycopg

from kameo_async.engines.postgres.census import Census
from kameo_async.engines.postgres.connections import SCHEMA, Connection
from kameo_async.engines.postgres.errors import one_round
from kameo_async.engines.postgres.lost import requeue_lost
from kameo_async.engines.postgres.patience import answering
from kameo_async.engines.postgres.queue import sweep
from kameo_async.engines.postgres.removal import told_lately
from kameo_async.engines.postgres.rows import HEAD, is_light, read

if TYPE_CHECKING:
    from kameo_async.engines.postgres.store import PostgresJobStore

LOOK_SECONDS = 1.0
RETRY_SECONDS = 0.5
_OVERLAP_SECONDS = 2  # a transaction may take so long from its clock reading to its commit
_PROOF_SECONDS = 5.0  # how often a connection that hears nothing shows that it still could
_BATCH = 500

_SINCE: LiteralString = "%(since)s - make_interval(secs => %(overlap)s)"
_LATELY = (
    "SELECT job_id, revision, cancel_requested FROM job"
    f" WHERE status = 'running' OR status = 'pending' AND updated_at > {_SINCE}"
    f" UNION ALL SELECT job_id, revision, false FROM job WHERE finished_at > {_SINCE}"
)
_THESE = (
    f"SELECT {HEAD}, CASE WHEN job_id = ANY(%(whole)s) THEN result END FROM job WHERE job_id = ANY(%(ids)s)"
    " ORDER BY updated_at, sequence"
)

_SAID = re.compile(r"([a-z]+) (\S+)(?: (\d+))?")

Hear = Callable[[str, str], None]  # a word, such as `pending` or `cancel`, and the id of a job


class Watch:
    """The background tasks of one process's store; an async context manager.

    Mutable state: `_wanted` (ids to look at), `_looked_at` (the database's time of the last whole look),
    `_hears` (whether it has listened), `_sweeps_at` (on the loop's clock: when to look after the queue),
    `ears` (told of each word).
    """

    def __init__(self, store: "PostgresJobStore", lease_seconds: float) -> None:
        self._store = store
        self._lease_seconds = lease_seconds
        self._census = Census(store.connections, store.tally)
        self._wanted: dict[str, None] = {}
        self._has_wanted = asyncio.Event()
        self._at_once = asyncio.Event()
        self._hears = asyncio.Event()
        self._looked_at: datetime | None = None
        self._sweeps_at = 0.0
        self._tasks: list[asyncio.Task[None]] = []
        self.ears: list[Hear] = []

    @property
    def workers(self) -> Mapping[str, int]:
        return self._census.workers

    @property
    def warnings(self) -> tuple[str, ...]:
        return self._census.warnings

    def write(self) -> AbstractContextManager[None]:
        """Around a write that changes how many jobs there are, until the tally has it."""
        return self._census.write()

    async def __aenter__(self) -> None:
        await self._look_around()
        loop = asyncio.get_running_loop()
        for work in (self._listen, self._look, self._look_regularly, self._store.words.keep_saying):
            self._tasks.append(loop.create_task(work(), name=f"postgres{work.__name__}"))
        try:
            with suppress(TimeoutError):  # else it looks until it hears
                async with asyncio.timeout(LOOK_SECONDS):
                    await self._hears.wait()
        except BaseException:
            await self.__aexit__()
            raise

    async def __aexit__(self, *_: object) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    # By ear.

    async def _listen(self) -> None:
        while True:
            with suppress(psycopg.Error, OSError, TimeoutError):
                connection = await self._store.connections.connect()
                try:
                    await connection.execute(f"LISTEN {SCHEMA}")
                    self._hears.set()
                    self._at_once.set()  # for what was said before
                    await self._hear_all(connection)
                finally:
                    connection.pgconn.finish()
                    self._at_once.set()  # the database may be away
            await asyncio.sleep(RETRY_SECONDS)

    async def _hear_all(self, connection: Connection) -> None:
        while True:
            async with aclosing(connection.notifies(timeout=_PROOF_SECONDS)) as notices:
                async for notice in notices:
                    if notice.pid not in self._store.connections.pids:  # what we do ourselves is no news
                        self._hear(notice.payload)
            with answering(connection, _PROOF_SECONDS):
                await connection.execute("SELECT 1")

    def _hear(self, payload: str) -> None:
        said = _SAID.fullmatch(payload)
        if said is None:  # somebody else's: a channel is open to all who may connect
            return
        word, job_id, revision = said.groups(default="0")
        if word in ("expired", "early"):
            self._store.forget(job_id, early=word == "early")
            return
        for ear in self.ears:
            ear(word, job_id)
        if word != "cancel":
            self._want(job_id, int(revision))

    def _want(self, job_id: str, revision: int) -> None:
        if len(self._store.hub) and self._store.is_news(job_id, revision):
            self._wanted[job_id] = None
            self._has_wanted.set()

    async def _look(self) -> None:
        while True:
            await self._has_wanted.wait()
            self._has_wanted.clear()
            while self._wanted:
                ids = list(self._wanted)[:_BATCH]
                for job_id in ids:
                    del self._wanted[job_id]
                with one_round("database.look_failed"):  # the regular one finds them again
                    await self._show(ids)

    async def _show(self, ids: list[str]) -> None:
        store = self._store
        whole = [job_id for job_id in ids if store.hub.is_heard(job_id)]
        async with store.connections.use() as connection:
            rows = await (await connection.execute(_THESE, {"ids": ids, "whole": whole})).fetchall()
        for *head, result in rows:
            job = store.one(read(head, result))
            if is_light(job) and store.hub.is_heard(job.job_id):  # somebody came to listen meanwhile
                self._want(job.job_id, job.revision)
            else:
                store.show(job)

    # By sight.

    async def _look_regularly(self) -> None:
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(LOOK_SECONDS):
                    await self._at_once.wait()
            self._at_once.clear()
            with one_round("database.look_failed"):
                await self._look_around()
                if self._may_judge():
                    await self._requeue_lost()
            with one_round("queue.sweep_failed"):
                await self._sweep_now_and_then()

    async def _requeue_lost(self) -> None:
        for job in await requeue_lost(self._store, self._lease_seconds):
            self._store.show(job)
            self._store.words.changed(job)
            for ear in self.ears:
                ear(job.status, job.job_id)

    async def _sweep_now_and_then(self) -> None:
        now = asyncio.get_running_loop().time()
        if now >= self._sweeps_at:
            self._sweeps_at = now + self._lease_seconds
            await sweep(self._store.connections)

    def _may_judge(self) -> bool:
        """Whether a silence of others is theirs: who was cut off itself gives them the time to come back."""
        reached_at = self._store.connections.reached_at
        return asyncio.get_running_loop().time() - reached_at >= (self._lease_seconds if reached_at else 0)

    async def _look_around(self) -> None:
        store, now = self._store, self._store.connections.now()
        async with store.connections.use() as connection:
            asked = await connection.execute("SELECT coalesce(%s::timestamptz, clock_timestamp())", (now,))
            [(moment,)] = await asked.fetchall()
            store.clock.set(moment)
            since = self._looked_at or moment
            lately = await connection.execute(_LATELY, {"since": since, "overlap": _OVERLAP_SECONDS})
            self._saw(await lately.fetchall(), is_first=self._looked_at is None)
            for word in await told_lately(connection, since, _OVERLAP_SECONDS):
                self._hear(word)
            await self._census.take(connection, tells=self._looked_at is not None)
        self._looked_at = moment

    def _saw(self, rows: Iterable[tuple[Any, ...]], *, is_first: bool) -> None:
        """What there was at the start is no news."""
        for job_id, revision, cancel_requested in rows:
            if is_first:
                self._store.baseline(job_id, revision)
            else:
                self._want(job_id, revision)
            if cancel_requested:
                for ear in self.ears:
                    ear("cancel", job_id)
