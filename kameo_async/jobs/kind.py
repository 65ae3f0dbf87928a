"""What a kind of job is, and what its `run` is handed."""

import inspect
import re
from collections.abc import AsyncIterator, Coroutine, Iterable, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from typing import Any, Protocol

from pydantic import BaseModel, RootModel

from kameo_async.jobs.errors import InvalidKindError

KIND_NAME = re.compile(r"[a-z][a-z0-9-]*")
RESERVED_NAMES = frozenset({"ws"})


class Report(Protocol):
    """Tells how far a job has come.

    Never waits for listeners, who get the latest; may be called a thousand times a second. Awaiting it is
    also a point at which a cancel is delivered.
    """

    def __call__(
        self, done: int, total: int | None = None, *, unit: str = "", message: str = ""
    ) -> Coroutine[Any, Any, None]:
        """`done` of `total` (None while unknown), counted in `unit`, with a sentence for people."""

    def from_thread(self, done: int, total: int | None = None, *, unit: str = "", message: str = "") -> None:
        """The same from another thread, for kinds that use `asyncio.to_thread`."""


class Kind(Protocol):
    """A kind of job: one object a process, whose `run` is called once a job, many at a time.

    A kind that is an async context manager is entered at the start and left at the shutdown. One whose
    result is a table names the field that holds its rows: `table = "loans"`.
    """

    @property
    def kind(self) -> str: ...

    @property
    def title(self) -> str: ...

    @property
    def description(self) -> str: ...

    @property
    def Params(self) -> type[BaseModel]: ...  # noqa: N802 - a class of the kind's own

    @property
    def Result(self) -> type[BaseModel]: ...  # noqa: N802

    async def run(self, params: Any, report: Report) -> BaseModel:
        """Does the job. `JobFailed` ends it so; `asyncio.CancelledError` is its cancellation: let it pass."""


def table_of(kind: Kind) -> str | None:
    """The field of the result that holds the rows, where the result is a table."""
    return getattr(kind, "table", None)


@asynccontextmanager
async def entered(kind: Kind) -> AsyncIterator[None]:
    """Enters the kind where it is an async context manager. Raises InvalidKindError where it will not be."""
    async with AsyncExitStack() as stack:
        if isinstance(kind, AbstractAsyncContextManager):
            try:
                await stack.enter_async_context(kind)
            except (Exception, SystemExit) as error:
                raise InvalidKindError(
                    f"kind {kind.kind!r}: cannot be entered ({one_line(error)})"
                ) from error
        yield


def one_line(error: BaseException) -> str:
    """The error's class and text."""
    return " ".join(f"{error.__class__.__name__}: {error}".split())


def by_name(kinds: Iterable[Kind]) -> Mapping[str, Kind]:
    """The kinds by their names. Raises InvalidKindError, which names the first that cannot be served."""
    named: dict[str, Kind] = {}
    for kind in kinds:
        name = _checked_name(kind)
        if name in named:
            raise InvalidKindError(f"kind {name!r}: the name is taken")
        named[name] = kind
    return named


def _checked_name(kind: Kind) -> str:
    name = getattr(kind, "kind", None)
    label = f"kind {name!r} ({type(kind).__module__}.{type(kind).__qualname__})"
    if not isinstance(name, str) or not KIND_NAME.fullmatch(name) or name in RESERVED_NAMES:
        raise InvalidKindError(f"{label}: a name matches [a-z][a-z0-9-]* and is not 'ws'")
    for attribute in ("title", "description"):
        if not isinstance(getattr(kind, attribute, None), str):
            raise InvalidKindError(f"{label}: has no {attribute}")
    for attribute in ("Params", "Result"):
        model = getattr(kind, attribute, None)
        if not (inspect.isclass(model) and issubclass(model, BaseModel)) or model is BaseModel:
            raise InvalidKindError(f"{label}: {attribute} is no pydantic model of its own")
    if issubclass(kind.Params, RootModel):
        raise InvalidKindError(f"{label}: Params is a list or the like: params have names")
    if not inspect.iscoroutinefunction(getattr(kind, "run", None)):
        raise InvalidKindError(f"{label}: has no `async def run(self, params, report)`")
    table = table_of(kind)
    if table is not None and table not in kind.Result.model_fields:
        raise InvalidKindError(f"{label}: its result has no field {table!r} for the table")
    return name
