"""The memory store, written through to the journal: nothing is shown before it is on disk.

A submit is answered once it is written. A terminal revision is decided under the lock and binds at once
(no other transition comes after it), but nobody sees it until it is written: so no terminal state that
anybody has seen can change, not even by `kill -9`.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Self

import structlog
from sortedcontainers import SortedList

from kameo_async.clock import Clock
from kameo_async.jobs import models
from kameo_async.jobs.document import size_of
from kameo_async.jobs.errors import JournalError, UnavailableError
from kameo_async.jobs.journal import Journal, Write
from kameo_async.jobs.journal_rows import FIRST_CEILING, KeptJob
from kameo_async.jobs.models import Job, JobStatus, Transition
from kameo_async.jobs.store import Entry, MemoryJobStore

log = structlog.get_logger()

CEILING_STEP = 1000

_NOT_KEPT = "Jobs cannot be kept at the moment; try again later"


@dataclass(frozen=True, slots=True)
class _End:
    """A terminal revision on its way to the disk, and the task that shows it then."""

    write: Write
    shown: asyncio.Task[Job]


class JournaledJobStore(MemoryJobStore):
    """A `MemoryJobStore` with a journal; an async context manager that brings back what was kept.

    Mutable state, beside that of the memory store: `_arriving` (submits), `_ending` (ends) that are not on
    disk yet, `_ceilings` (of jobs with many revisions), `_removal` (the last).
    """

    def __init__(
        self, journal: Journal, clock: Clock, *, ttl_seconds: float, max_unfinished: int, max_kept_bytes: int
    ) -> None:
        super().__init__(
            clock, ttl_seconds=ttl_seconds, max_unfinished=max_unfinished, max_kept_bytes=max_kept_bytes
        )
        self._journal = journal
        self._arriving: dict[str, Write] = {}
        self._ending: dict[str, _End] = {}
        self._ceilings: dict[str, int] = {}
        self._removal: Write | None = None

    @property
    def is_writable(self) -> bool:
        return self._journal.is_writable

    async def __aenter__(self) -> Self:
        kept, self._state.sequence = await self._journal.load()
        await self._restore(kept)
        return self

    async def __aexit__(self, *_: object) -> None:
        """Ends that could not be written are given up: the next start finds those jobs lost."""
        given_up = [end.shown for end in self._ending.values()]
        for shown in given_up:
            shown.cancel()
        await asyncio.gather(*given_up, return_exceptions=True)

    async def add(self, job: Job, key: str | None = None) -> tuple[Job, bool]:
        async with self._lock:
            kept = self._keyed(job, key)
            if kept is None:
                entry = self._insert(job, key)
                write = self._arriving[job.job_id] = self._journal.submitted(entry.sequence, job, key)
        if kept is not None:
            return await self._arrived(kept), False
        is_written = await asyncio.shield(write.attempted)
        async with self._lock:
            del self._arriving[job.job_id]
            if not is_written:
                self._forget(entry)
                self._state.unfinished -= 1
                raise UnavailableError(_NOT_KEPT)
            self._show(entry)
        self.hub.publish(job)
        return job, True

    async def _arrived(self, job: Job) -> Job:
        write = self._arriving.get(job.job_id)
        if write is not None and not await asyncio.shield(write.attempted):
            raise UnavailableError(_NOT_KEPT)
        return job

    async def apply(self, job_id: str, transition: Transition) -> Job:
        while True:
            async with self._lock:
                entry = self._entry(job_id)
                end, before = self._ending.get(job_id), entry.job
                after = before if end else transition(before)
                is_end = after.is_terminal and not before.is_terminal
                is_shown = not is_end and (before.is_terminal or after.revision <= self._ceiling(job_id))
                if is_shown and after is not before:
                    self._replace(entry, after)
            if end or is_end:  # no step of the loop since the lock was let go
                return await self._ended(end or self._begin_end(entry, after))
            if is_shown:
                if after.revision != before.revision:
                    self.hub.publish(after)
                return after
            await self._raise_ceiling(entry)

    def _begin_end(self, entry: Entry, after: Job) -> _End:
        size = size_of(after)
        write = self._journal.ended(entry.sequence, after, size)
        show = self._show_end(entry, after, size, write)
        task = asyncio.get_running_loop().create_task(show, name=f"end-{after.job_id}")
        end = self._ending[after.job_id] = _End(write, task)
        return end

    async def _show_end(self, entry: Entry, after: Job, size: int, write: Write) -> Job:
        await write.written
        async with self._lock:
            self._replace(entry, after)
            del self._ending[after.job_id]
            self._ceilings.pop(after.job_id, None)
        self.hub.publish(after)
        self._charge(entry, size)
        return after

    async def _ended(self, end: _End) -> Job:
        if not await asyncio.shield(end.write.attempted) and not end.shown.done():
            raise UnavailableError(_NOT_KEPT)
        return await asyncio.shield(end.shown)

    def _ceiling(self, job_id: str) -> int:
        return self._ceilings.get(job_id, FIRST_CEILING)

    async def _raise_ceiling(self, entry: Entry) -> None:
        ceiling = entry.job.revision + CEILING_STEP
        await asyncio.shield(self._journal.raised(entry.sequence, ceiling).written)
        self._ceilings[entry.job.job_id] = ceiling

    async def expire(self, limit: int) -> int:
        """Goes at the disk's pace: with 100,000 at once the journal's thread would take the loop's core."""
        removed = await super().expire(limit)
        if removed and self._removal is not None:
            await asyncio.shield(self._removal.attempted)
        return removed

    def _remove_oldest(self, oldest: Sequence[Entry]) -> None:
        super()._remove_oldest(oldest)
        if oldest:
            self._removal = self._journal.removed([entry.sequence for entry in oldest])

    # At the start.

    async def _restore(self, kept: list[KeptJob]) -> None:
        """Ended jobs with the rest of their time, the others as lost.

        Over the gap the wall clock was the only one; where it jumped, a job is kept for its whole time at
        most.
        """
        now = self._clock.now()
        over = [one.sequence for one in kept if one.job.expires_at is not None and one.job.expires_at <= now]
        ended = [one for one in kept if one.job.expires_at is not None and one.job.expires_at > now]
        lost = [self._lost(one) for one in kept if one.job.expires_at is None]
        self._bring_back(ended + lost, now)
        writes = [self._journal.ended(one.sequence, one.job, one.size) for one in lost]
        writes += [self._journal.removed(over)] if over else []
        if not all([await write.attempted for write in writes]):
            raise JournalError(f"{self._journal.path}: cannot be written")
        if kept:
            log.info("journal.restored", ended=len(ended), lost=len(lost), expired=len(over))

    def _lost(self, one: KeptJob) -> KeptJob:
        now = self._clock.now()
        job = models.finish(one.job, models.WORKER_LOST, None, now, self._ttl_seconds)
        return KeptJob(one.sequence, job, one.key, size_of(job))

    def _bring_back(self, kept: list[KeptJob], now: datetime) -> None:
        order: dict[tuple[JobStatus, str], list[int]] = {}
        for one in kept:
            self._place(one, now)
            order.setdefault((one.job.status, one.job.kind), []).append(one.sequence)
        self._state.order = {which: SortedList(sequences) for which, sequences in order.items()}
        self._make_room()

    def _place(self, one: KeptJob, now: datetime) -> None:
        state, job = self._state, one.job
        assert job.expires_at is not None
        seconds = min((job.expires_at - now).total_seconds(), self._ttl_seconds)
        entry = Entry(one.sequence, job, one.key, self._clock.monotonic() + seconds, one.size)
        state.entries[job.job_id] = state.by_sequence[one.sequence] = entry
        state.finished.append(entry)
        state.kept_bytes += one.size
        if one.key is not None:
            self._keep_key(one.key, entry)

    def _keep_key(self, key: str, entry: Entry) -> None:
        """The newest job has it: an older one can only be back because its removal was not written."""
        older = self._state.keys.get(key)
        if older is not None:
            self._state.entries[older].key = None
        self._state.keys[key] = entry.job.job_id
