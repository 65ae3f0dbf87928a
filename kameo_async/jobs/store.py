"""Where jobs are kept: the protocol, and the dict behind an `asyncio.Lock` that implements it in process."""

import asyncio
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice, takewhile
from typing import Protocol

from msgspec import Struct
from sortedcontainers import SortedList

from kameo_async.clock import Clock
from kameo_async.jobs.document import size_of
from kameo_async.jobs.errors import JobNotFoundError, KeyReusedError, OverloadedError
from kameo_async.jobs.models import Job, JobStatus, Transition
from kameo_async.jobs.order import Few, Order, newest
from kameo_async.jobs.subscription import Expired, Hub, Subscription


@dataclass(frozen=True, slots=True)
class JobFilter:
    """Which jobs are listed; None does not narrow."""

    status: JobStatus | None = None
    kind: str | None = None

    def matches(self, status: JobStatus, kind: str) -> bool:
        """Whether jobs of that kind in that status are listed."""
        return self.status in (None, status) and self.kind in (None, kind)


@dataclass(frozen=True, slots=True)
class JobPage:
    """Jobs, newest first; `total` counts all that match, `next_cursor` is None on the last page."""

    jobs: tuple[Job, ...]
    total: int
    next_cursor: int | None


class Writes(Protocol):
    """What running a job needs of a store."""

    async def apply(self, job_id: str, transition: Transition) -> Job:
        """Applies a transition and gives the job as it is then; more is said of it below."""


class JobStore(Writes, Protocol):
    """Keeps jobs, applies transitions one at a time, tells the hub of each change."""

    hub: Hub

    @property
    def is_writable(self) -> bool:
        """Whether jobs can be kept now."""

    @property
    def workers(self) -> Mapping[str, int] | None:
        """How many workers are alive, by mode; None where every process is its own."""

    @property
    def warnings(self) -> Sequence[str]:
        """What people should know of the jobs that wait, a sentence each."""

    async def add(self, job: Job, key: str | None = None) -> tuple[Job, bool]:
        """Keeps `job` and gives it with True; or the job that has `key`, with False.

        Raises KeyReusedError when that one has another kind or other params, OverloadedError when
        as many jobs are unfinished as may be, UnavailableError when it cannot be kept.
        """

    async def get(self, job_id: str) -> Job:
        """The newest revision. Raises JobNotFoundError."""

    async def page(self, which: JobFilter, limit: int, cursor: int | None = None) -> JobPage:
        """Up to `limit` jobs older than `cursor`."""

    async def apply(self, job_id: str, transition: Transition) -> Job:
        """Applies a transition and gives the job as it is then.

        Raises JobNotFoundError, and UnavailableError for an end that cannot be kept yet: nobody sees it
        before it is, and no other can come in between.
        """

    async def expire(self, limit: int) -> int:
        """Removes up to `limit` finished jobs whose time is over; gives how many."""

    async def subscribe(self, job_id: str | None = None, since: int = 0) -> Subscription:
        """A subscription whose first event is the job as it is. Raises JobNotFoundError."""

    def counts(self) -> Mapping[tuple[str, JobStatus], int]:
        """How many jobs are kept, by kind and status."""


class Entry(Struct, eq=False, gc=False):
    """A job in its place; `sequence` is that of its submit."""

    sequence: int
    job: Job
    key: str | None
    deadline: float = 0.0  # monotonic; of a finished job
    size: int = 0  # bytes of its document; of a finished job


@dataclass(slots=True)
class _State:
    """All that changes, under the lock only."""

    entries: dict[str, Entry] = field(default_factory=dict)
    keys: dict[str, str] = field(default_factory=dict)  # idempotency key -> job id
    order: dict[tuple[JobStatus, str], Order] = field(default_factory=dict)  # sequences
    by_sequence: dict[int, Entry] = field(default_factory=dict)
    finished: deque[Entry] = field(default_factory=deque)  # the first to expire first
    kept_bytes: int = 0
    sequence: int = 0
    unfinished: int = 0


class MemoryJobStore:
    """A dict behind an `asyncio.Lock`, ordered for listing and for expiry.

    The lock is held for no I/O, no callback and no encoding: each method changes the state in one
    synchronous step and does what follows from it afterwards.
    """

    def __init__(self, clock: Clock, *, ttl_seconds: float, max_unfinished: int, max_kept_bytes: int) -> None:
        self.hub = Hub()
        self._clock = clock
        self._ttl_seconds = ttl_seconds
        self._max_unfinished = max_unfinished
        self._max_kept_bytes = max_kept_bytes
        self._lock = asyncio.Lock()
        self._state = _State()

    @property
    def is_writable(self) -> bool:
        return True

    @property
    def workers(self) -> None:
        return None

    @property
    def warnings(self) -> Sequence[str]:
        return ()

    async def add(self, job: Job, key: str | None = None) -> tuple[Job, bool]:
        async with self._lock:
            kept = self._keyed(job, key)
            if kept is not None:
                return kept, False
            self._show(self._insert(job, key))
        self.hub.publish(job)
        return job, True

    async def get(self, job_id: str) -> Job:
        async with self._lock:
            return self._entry(job_id).job

    async def page(self, which: JobFilter, limit: int, cursor: int | None = None) -> JobPage:
        async with self._lock:
            orders = [order for pair, order in self._state.order.items() if which.matches(*pair)]
            candidates = [n for order in orders for n in newest(order, limit + 1, cursor)]
            found = sorted(candidates, reverse=True)[: limit + 1]
            jobs = tuple(self._state.by_sequence[n].job for n in found[:limit])
            return JobPage(jobs, sum(map(len, orders)), found[limit - 1] if len(found) > limit else None)

    async def apply(self, job_id: str, transition: Transition) -> Job:
        async with self._lock:
            entry = self._entry(job_id)
            before, after = entry.job, transition(entry.job)
            if after is not before:
                self._replace(entry, after)
        if after.revision != before.revision:
            self.hub.publish(after)
        if after.is_terminal and not before.is_terminal:
            self._charge(entry, size_of(after))
        return after

    async def expire(self, limit: int) -> int:
        now = self._clock.monotonic()
        async with self._lock:
            due = list(takewhile(lambda entry: entry.deadline <= now, islice(self._state.finished, limit)))
            self._remove_oldest(due)
        for entry in due:
            self.hub.publish(Expired(entry.job.job_id))
        return len(due)

    async def subscribe(self, job_id: str | None = None, since: int = 0) -> Subscription:
        async with self._lock:
            job = None if job_id is None else self._entry(job_id).job
            subscription = Subscription(self.hub, job_id, since)
        if job is not None:
            subscription.notify(job)
        return subscription

    def counts(self) -> Mapping[tuple[str, JobStatus], int]:
        return {(kind, status): len(sequences) for (status, kind), sequences in self._state.order.items()}

    def _charge(self, entry: Entry, size: int) -> None:
        """Counts what a finished job costs; past the bound the oldest finished expire early.

        One synchronous step right after its transition, since a second wait for the lock could be cancelled.
        """
        entry.size = size
        self._state.kept_bytes += size
        self._make_room()

    def _make_room(self) -> None:
        state = self._state
        while state.kept_bytes > self._max_kept_bytes and len(state.finished) > 1:
            oldest = state.finished[0]
            self._remove_oldest([oldest])
            self.hub.publish(Expired(oldest.job.job_id, early=True))

    # The synchronous steps; each is called under the lock.

    def _entry(self, job_id: str) -> Entry:
        try:
            return self._state.entries[job_id]
        except KeyError:
            raise JobNotFoundError("Job not found") from None

    def _keyed(self, job: Job, key: str | None) -> Job | None:
        job_id = self._state.keys.get(key) if key is not None else None
        if job_id is None:
            return None
        kept = self._state.entries[job_id].job
        if (kept.kind, kept.params) != (job.kind, job.params):
            raise KeyReusedError("This Idempotency-Key was used for another kind or other params")
        return kept

    def _insert(self, job: Job, key: str | None) -> Entry:
        """Takes its place among the jobs and keys; it is not listed yet."""
        state = self._state
        if state.unfinished >= self._max_unfinished:
            raise OverloadedError("Too many jobs are waiting; try again later")
        state.sequence += 1
        entry = state.entries[job.job_id] = Entry(state.sequence, job, key)
        state.unfinished += 1
        if key is not None:
            state.keys[key] = job.job_id
        return entry

    def _show(self, entry: Entry) -> None:
        self._state.by_sequence[entry.sequence] = entry
        self._order_of(entry.job).add(entry.sequence)

    def _replace(self, entry: Entry, after: Job) -> None:
        before, entry.job = entry.job, after
        if before.status is not after.status:
            self._order_of(before).remove(entry.sequence)
            self._order_of(after).add(entry.sequence)
        if after.is_terminal and not before.is_terminal:
            self._state.unfinished -= 1
            self._state.finished.append(entry)
            entry.deadline = self._clock.monotonic() + self._ttl_seconds

    def _order_of(self, job: Job) -> Order:
        which = (job.status, job.kind)
        order = self._state.order.get(which)
        if order is None:
            order = self._state.order[which] = SortedList() if job.is_terminal else Few()
        return order

    def _remove_oldest(self, oldest: Sequence[Entry]) -> None:
        """Takes the first of `finished` away."""
        state = self._state
        for entry in oldest:
            state.finished.popleft()
            self._forget(entry)
            del state.by_sequence[entry.sequence]
            state.kept_bytes -= entry.size
            self._order_of(entry.job).remove(entry.sequence)

    def _forget(self, entry: Entry) -> None:
        del self._state.entries[entry.job.job_id]
        if entry.key is not None:
            del self._state.keys[entry.key]
