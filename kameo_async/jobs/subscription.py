"""Who listens to jobs: latest-wins iterators over one job or over all.

A change is handed to every listener in order, some hundred at a time, so that the loop is never held for
long; nobody waits for anybody. A listener keeps at most the newest revision of each job, so a slow one skips
some, but never the last.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Protocol, Self

import structlog

from kameo_async.jobs.models import Job

log = structlog.get_logger()

LISTENERS_AT_ONCE = 200


@dataclass(frozen=True, slots=True)
class Expired:
    """The job was removed; `early` when it had to make room before its time."""

    job_id: str
    early: bool = False


Event = Job | Expired


class Listener(Protocol):
    """Is told of each change, on the loop's thread. Must return at once and never raise."""

    def notify(self, event: Event) -> None: ...


class Hub:
    """Hands each change to those who listen.

    Mutable state: `_of_job` and `_of_all`, changed only by `add`, `discard`; `_to_tell`, the changes of which
    not all have been told, in order; all on the loop's thread.
    """

    def __init__(self) -> None:
        self._of_job: dict[str, dict[Listener, None]] = {}
        self._of_all: dict[Listener, None] = {}
        self._to_tell: deque[tuple[Event, Iterator[Listener]]] = deque()

    def add(self, listener: Listener, job_id: str | None = None) -> None:
        self._listeners(job_id)[listener] = None

    def discard(self, listener: Listener, job_id: str | None = None) -> None:
        listeners = self._listeners(job_id)
        listeners.pop(listener, None)
        if job_id is not None and not listeners:
            del self._of_job[job_id]

    def publish(self, event: Event) -> None:
        """Tells the first at once, the rest in the loop's next steps: 5,000 would hold it for 25 ms."""
        listeners = (*self._of_job.get(event.job_id, ()), *self._of_all)
        if not listeners:
            return
        self._to_tell.append((event, iter(listeners)))
        if len(self._to_tell) == 1:
            self._tell()

    def is_heard(self, job_id: str) -> bool:
        """Whether somebody listens to this very job."""
        return job_id in self._of_job

    async def told(self) -> None:
        """Returns when everybody has been told of everything."""
        while self._to_tell:  # noqa: ASYNC110 - some steps of the loop, at the shutdown
            await asyncio.sleep(0)

    def _tell(self) -> None:
        left = LISTENERS_AT_ONCE
        while self._to_tell:
            event, listeners = self._to_tell[0]
            for listener in islice(listeners, left):
                left -= 1
                try:
                    listener.notify(event)
                except Exception:  # its own loss: the others are told
                    log.exception("listener.failed")
            if left == 0:
                asyncio.get_running_loop().call_soon(self._tell)
                return
            self._to_tell.popleft()

    def __len__(self) -> int:
        return len(self._of_all) + sum(map(len, self._of_job.values()))

    def _listeners(self, job_id: str | None) -> dict[Listener, None]:
        return self._of_all if job_id is None else self._of_job.setdefault(job_id, {})


class Subscription(AsyncIterator[Event]):
    """The changes of one job, or of all, as an async iterator and an async context manager.

    Yields the newest revision of each job that changed since the last step, oldest change first. A
    subscription to one job ends after its terminal revision, or after `Expired`. Who cannot iterate sets
    `on_change`, which is called when `take` may have something; it must return at once and never raise.
    """

    on_change: Callable[[], object]

    def __init__(self, hub: Hub, job_id: str | None = None, since: int = 0) -> None:
        self._hub = hub
        self._job_id = job_id
        self._since = since
        self._pending: dict[tuple[str, bool], Event] = {}  # by job, its expiry apart from its revisions
        self._step: asyncio.Future[None] | None = None
        self._ended = False
        self.on_change = self._wake
        hub.add(self, job_id)

    def notify(self, event: Event) -> None:
        if self._is_late(event):
            return
        if self._is_known(event):
            # A client that has the terminal revision waits for nothing more.
            self._ended = self._ended or (isinstance(event, Job) and event.is_terminal)
        else:
            self._pending[event.job_id, isinstance(event, Expired)] = event
        self.on_change()

    def _is_late(self, event: Event) -> bool:
        """Whether this revision or a newer one waits to be taken."""
        waiting = self._pending.get((event.job_id, False))
        return isinstance(event, Job) and isinstance(waiting, Job) and waiting.revision >= event.revision

    def _is_known(self, event: Event) -> bool:
        """Whether the client has it already; of a terminal revision only the very same one will do."""
        if self._job_id is None or isinstance(event, Expired):
            return False
        return event.revision == self._since if event.is_terminal else event.revision <= self._since

    @property
    def has_ended(self) -> bool:
        """Whether nothing more will come."""
        return self._ended

    @property
    def is_behind(self) -> bool:
        """Whether `take` has something."""
        return bool(self._pending) and not self._ended

    def take(self) -> Event | None:
        """The next change, where there is one."""
        if self._ended or not self._pending:
            return None
        event = self._pending.pop(next(iter(self._pending)))
        if self._job_id is not None:
            self._ended = isinstance(event, Expired) or event.is_terminal
            self._since = self._since if isinstance(event, Expired) else event.revision
        return event

    async def __anext__(self) -> Event:
        while not self._ended:
            if (event := self.take()) is not None:
                return event
            self._step = asyncio.get_running_loop().create_future()
            await self._step
        self.close()
        raise StopAsyncIteration

    def _wake(self) -> None:
        if self._step is not None and not self._step.done():
            self._step.set_result(None)

    def close(self) -> None:
        """Stops listening; a step that waits ends the iteration."""
        self._hub.discard(self, self._job_id)
        self._ended = True
        self._pending.clear()
        self.on_change()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        self.close()
