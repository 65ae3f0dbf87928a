"""Jobs in PostgreSQL: each method a transaction on the row, in which `jobs/models.py` decides what follows.

What others change comes in by watch.py; all that is shown passes through `show`, so that every listener of
this process sees growing revisions.
"""

from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, LiteralString, Self

from kameo_async.engines.postgres import listing, removal
from kameo_async.engines.postgres.clock import DatabaseClock
from kameo_async.engines.postgres.connections import Connection, Connections
from kameo_async.engines.postgres.recent import Recent
from kameo_async.engines.postgres.rows import (
    HEAD,
    INSERT,
    OWNER,
    UPDATE,
    Row,
    is_light,
    read,
    read_row,
    written,
)
from kameo_async.engines.postgres.watch import Watch
from kameo_async.engines.postgres.words import Words
from kameo_async.jobs.errors import JobNotFoundError, KeyReusedError, OverloadedError, UnavailableError
from kameo_async.jobs.models import Job, JobStatus, Transition
from kameo_async.jobs.store import JobFilter, JobPage
from kameo_async.jobs.subscription import Expired, Hub, Subscription

NOW: LiteralString = "coalesce(%(now)s::timestamptz, now())"

Fence = Callable[[Row], None]
Changes = Mapping[str, Any]

_SUBMIT_LOCK = 0x6B616D65 << 8  # held by submits close to the bound, so that it is exact there
_TRIES = 3

_WAITING: LiteralString = (
    "(SELECT coalesce(sum(jobs), 0) FROM counted WHERE mode = %(mode)s AND status = 'unfinished')"
)
_SLOTS: LiteralString = (
    f"(SELECT coalesce(sum(slots), 0) FROM worker WHERE mode = %(mode)s AND alive_until > {NOW})"
)
# As many as may submit at the same moment without seeing each other.
_MARGIN: LiteralString = "CASE WHEN %(is_exact)s THEN 0 ELSE current_setting('max_connections')::integer END"
_ADD = (
    f"{INSERT} WHERE {_WAITING} < %(max_waiting)s + {_SLOTS} - {_MARGIN}"
    " ON CONFLICT (key) WHERE key IS NOT NULL DO NOTHING RETURNING sequence"
)
_BY_KEY = f"SELECT {HEAD}, result, {OWNER} FROM job WHERE key = %s"
# The result stays in the database when this process has that very revision.
_GET = (
    f"SELECT {HEAD}, CASE WHEN revision = %(known)s THEN NULL ELSE result END FROM job"
    " WHERE job_id = %(job_id)s"
)
_LOCKED = f"SELECT {HEAD}, result, {OWNER} FROM job WHERE job_id = %s FOR UPDATE"


class PostgresJobStore:
    """The store of one process; an async context manager.

    Mutable state, changed in synchronous steps only: `_recent` (what was shown), `tally` (how many jobs are
    kept, as far as this process knows).
    """

    def __init__(
        self,
        connections: Connections,
        clock: DatabaseClock,
        mode: str,
        *,
        ttl_seconds: float,
        max_pending: int,
        max_kept_bytes: int,
        lease_seconds: float,
    ) -> None:
        self.hub = Hub()
        self.connections = connections
        self.clock = clock
        self.mode = mode
        self.ttl_seconds = ttl_seconds
        self.tally: Counter[tuple[str, JobStatus]] = Counter()
        self.words = Words(connections)
        self.watch = Watch(self, lease_seconds)
        self._recent = Recent()
        self._max_pending = max_pending
        self._max_kept_bytes = max_kept_bytes

    @property
    def is_writable(self) -> bool:
        return self.connections.is_reachable

    @property
    def workers(self) -> Mapping[str, int]:
        """How many workers are alive, by mode."""
        return self.watch.workers

    @property
    def warnings(self) -> tuple[str, ...]:
        """What people should know: jobs that no worker takes."""
        return self.watch.warnings

    async def __aenter__(self) -> Self:
        await self.watch.__aenter__()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.words.say_last()
        await self.watch.__aexit__()
        await self.connections.close()

    async def add(self, job: Job, key: str | None = None) -> tuple[Job, bool]:
        if key is not None and (kept := await self._keyed(job, key)):
            return kept, False
        with self.watch.write():
            if await self._insert(job, key):
                self._changed(None, job)
                return job, True
        if key is not None and (kept := await self._keyed(job, key)):
            return kept, False
        raise OverloadedError("Too many jobs are waiting; try again later")

    async def _insert(self, job: Job, key: str | None) -> bool:
        """False where the key is taken, or too many wait."""
        values = written(
            job, mode=self.mode, key=key, max_waiting=self._max_pending, now=self.connections.now()
        )
        async with self.connections.use() as connection:
            if await _is_added(connection, {**values, "is_exact": False}):
                return True
        async with self.connections.transaction() as connection:
            await connection.execute("SELECT pg_advisory_xact_lock(%s)", (_SUBMIT_LOCK,))
            return await _is_added(connection, {**values, "is_exact": True})

    async def get(self, job_id: str) -> Job:
        for _ in range(_TRIES):
            job = await self._read(job_id)
            if job.revision >= self._recent.revision(job_id):  # else a newer one was shown meanwhile
                break
        return job

    async def page(self, which: JobFilter, limit: int, cursor: int | None = None) -> JobPage:
        if which.kind is not None and "\0" in which.kind:
            return JobPage((), 0, None)
        async with self.connections.use() as connection:
            page = await listing.page(connection, which, limit, cursor)
        return JobPage(tuple(map(self._recent.one, page.jobs)), page.total, page.next_cursor)

    async def apply(self, job_id: str, transition: Transition) -> Job:
        return await self.change(job_id, transition)

    async def change(self, job_id: str, transition: Transition, fence: Fence | None = None) -> Job:
        """`apply`; `fence` may raise LostError at the sight of the row, which is then left alone."""
        with self.watch.write():
            async with self.connections.transaction() as connection:
                row = await _locked(connection, job_id)
                if fence is not None:
                    fence(row)
                before, after = row.job, transition(row.job)
                if after is not before:
                    await connection.execute(UPDATE, changed(row, after))
            if after.is_terminal and not before.is_terminal:
                with suppress(UnavailableError):  # the reaper does it
                    await self._make_room()
            return self._changed(before, after)

    async def expire(self, limit: int) -> int:
        """Of all processes one at a time does it; the others find nothing to do."""
        try:
            with self.watch.write():
                async with self.connections.transaction() as connection:
                    removed = await removal.expired(connection, limit, self.connections.now())
                self._removed(removed, early=False)
                await self._make_room()  # where an end could not, as others were removing
        except UnavailableError:
            return 0
        return len(removed)

    async def subscribe(self, job_id: str | None = None, since: int = 0) -> Subscription:
        subscription = Subscription(self.hub, job_id, since)
        if job_id is not None:
            try:
                job = await self.get(job_id)
            except BaseException:
                subscription.close()
                raise
            subscription.notify(job)
        return subscription

    def counts(self) -> Mapping[tuple[str, JobStatus], int]:
        return {which: count for which, count in self.tally.items() if count > 0}

    # What is shown, by this process's own changes and by those of others.

    def show(self, job: Job) -> None:
        """Tells the listeners, unless they have seen it or a newer one."""
        if self._recent.shown(job.job_id, job.revision):
            self.hub.publish(job)

    def forget(self, job_id: str, early: bool = False) -> None:
        """The job was removed."""
        if self._recent.gone(job_id):
            self.hub.publish(Expired(job_id, early))

    def is_news(self, job_id: str, revision: int) -> bool:
        """Whether somebody may want to see this revision."""
        return revision > self._recent.revision(job_id)

    def one(self, job: Job) -> Job:
        """The object that stands for this revision."""
        return self._recent.one(job)

    def baseline(self, job_id: str, revision: int) -> None:
        """The job was there before this process: no news."""
        self._recent.shown(job_id, revision)

    def claimed(self, job: Job) -> Job:
        """A worker of this process has started it."""
        self.tally[job.kind, JobStatus.PENDING] -= 1
        return self._changed(None, job)

    def _changed(self, before: Job | None, after: Job) -> Job:
        if before is not None and before.revision == after.revision:
            if after.cancel_requested and not before.cancel_requested:
                self.words.to_cancel(after)
            return self._recent.one(after)
        self.words.changed(after)
        if before is not None:
            self.tally[before.kind, before.status] -= 1
        self.tally[after.kind, after.status] += 1
        after = self._recent.one(after)
        self.show(after)
        return after

    async def _read(self, job_id: str) -> Job:
        _check_id(job_id)
        known = self._recent.job(job_id)
        values = {"job_id": job_id, "known": known.revision if known else 0}
        async with self.connections.use() as connection:
            row = await (await connection.execute(_GET, values)).fetchone()
        if row is None:
            raise JobNotFoundError("Job not found")
        *head, result = row
        job = read(head, result)
        if known is not None and job.revision == known.revision:
            return known
        return job if is_light(job) else self._recent.one(job)

    async def _keyed(self, job: Job, key: str) -> Job | None:
        async with self.connections.use() as connection:
            row = await (await connection.execute(_BY_KEY, (key,))).fetchone()
        if row is None:
            return None
        kept = read_row(row).job
        if (kept.kind, kept.params) != (job.kind, job.params):
            raise KeyReusedError("This Idempotency-Key was used for another kind or other params")
        return self._recent.one(kept)

    async def _make_room(self) -> None:
        async with self.connections.use() as connection:
            removed = await removal.surplus(connection, self._max_kept_bytes, self.connections.now())
        self._removed(removed, early=True)

    def _removed(self, removed: list[removal.Removed], *, early: bool) -> None:
        for job_id, kind, status in removed:
            self.tally[kind, JobStatus(status)] -= 1
            self.forget(job_id, early)


def changed(row: Row, after: Job, **more: Any) -> Changes:
    """The parameters of UPDATE; a job that does not run is nobody's."""
    worker_id = row.worker_id if after.status is JobStatus.RUNNING else None
    return written(after, **{"worker_id": worker_id, "losses": row.losses, "lease_until": None, **more})


async def _is_added(connection: Connection, values: Changes) -> bool:
    return await (await connection.execute(_ADD, values)).fetchone() is not None


async def _locked(connection: Connection, job_id: str) -> Row:
    _check_id(job_id)
    row = await (await connection.execute(_LOCKED, (job_id,))).fetchone()
    if row is None:
        raise JobNotFoundError("Job not found")
    return read_row(row)


def _check_id(job_id: str) -> None:
    """Raises JobNotFoundError for what PostgreSQL would not take as a text at all."""
    if "\0" in job_id:
        raise JobNotFoundError("Job not found")
