"""What a kind of job is, and what its `run` is handed."""

from typing import Any, Protocol

from pydantic import BaseModel


class Report(Protocol):
    """Tells how far a job has come.

    Never waits for listeners, who get the latest; may be called a thousand times a second. It is also a
    point at which a cancel is delivered.
    """

    async def __call__(self, done: int, total: int | None = None, *, unit: str = "", message: str = "") -> None:
        """`done` of `total` (null while unknown), counted in `unit`, with a sentence for people."""

    def from_thread(self, done: int, total: int | None = None, *, unit: str = "", message: str = "") -> None:
        """The same from another thread, for kinds that use `asyncio.to_thread`."""


class Kind(Protocol):
    """A kind of job: one object a process, whose `run` is called once a job, many at a time.

    A kind that is an async context manager is entered at the start and left at the shutdown. One whose
    result is a table names the field that holds its rows: `table = "loans"`.
    """

    kind: str
    title: str
    description: str
    Params: type[BaseModel]
    Result: type[BaseModel]

    async def run(self, params: Any, report: Report) -> BaseModel:
        """Does the job. `JobFailed` ends it so; `asyncio.CancelledError` is its cancellation: let it pass."""
