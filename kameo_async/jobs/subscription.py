"""Who listens to jobs: latest-wins iterators over one job or over all.

A change is handed to every listener in one synchronous pass; nobody waits for anybody. A listener keeps
at most the newest revision of each job, so a slow one skips some, but never the last.
"""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Protocol, Self

from kameo_async.jobs.models import Job


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

    Mutable state: `_of_job` and `_of_all`, changed only by `add`, `discard`; all on the loop's thread.
    """

    def __init__(self) -> None:
        self._of_job: dict[str, dict[Listener, None]] = {}
        self._of_all: dict[Listener, None] = {}

    def add(self, listener: Listener, job_id: str | None = None) -> None:
        self._listeners(job_id)[listener] = None

    def discard(self, listener: Listener, job_id: str | None = None) -> None:
        listeners = self._listeners(job_id)
        listeners.pop(listener, None)
        if job_id is not None and not listeners:
            del self._of_job[job_id]

    def publish(self, event: Event) -> None:
        for listener in (*self._of_job.get(event.job_id, ()), *self._of_all):
            listener.notify(event)

    def __len__(self) -> int:
        return len(self._of_all) + sum(map(len, self._of_job.values()))

    def _listeners(self, job_id: str | None) -> dict[Listener, None]:
        return self._of_all if job_id is None else self._of_job.setdefault(job_id, {})


class Subscription(AsyncIterator[Event]):
    """The changes of one job, or of all, as an async iterator and an async context manager.

    Yields the newest revision of each job that changed since the last step, oldest change first. A
    subscription to one job ends after its terminal revision, or after `Expired`.
    """

    def __init__(self, hub: Hub, job_id: str | None = None, since: int = 0) -> None:
        self._hub = hub
        self._job_id = job_id
        self._since = since
        self._pending: dict[tuple[str, bool], Event] = {}  # by job, its expiry apart from its revisions
        self._changed = asyncio.Event()
        self._ended = False
        hub.add(self, job_id)

    def notify(self, event: Event) -> None:
        if self._is_known(event):
            # A client that has the terminal revision waits for nothing more.
            self._ended = self._ended or (isinstance(event, Job) and event.is_terminal)
        else:
            self._pending[event.job_id, isinstance(event, Expired)] = event
        self._changed.set()

    def _is_known(self, event: Event) -> bool:
        """Whether the client has it already; of a terminal revision only the very same one will do."""
        if self._job_id is None or isinstance(event, Expired):
            return False
        return event.revision == self._since if event.is_terminal else event.revision <= self._since

    async def __anext__(self) -> Event:
        while not self._ended:
            if self._pending:
                return self._next()
            self._changed.clear()
            await self._changed.wait()
        self.close()
        raise StopAsyncIteration

    def _next(self) -> Event:
        event = self._pending.pop(next(iter(self._pending)))
        if self._job_id is not None:
            self._ended = isinstance(event, Expired) or event.is_terminal
        return event

    def close(self) -> None:
        """Stops listening; a step that waits ends the iteration."""
        self._hub.discard(self, self._job_id)
        self._ended = True
        self._pending.clear()
        self._changed.set()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        self.close()
