"""Objects of a loop belong to its thread: a call from another one raises and says so."""

import functools
import threading
from collections.abc import Callable
from typing import Concatenate, ParamSpec, Protocol, TypeVar, cast

from kameo_async.jobs.errors import WrongThreadError

P = ParamSpec("P")
R = TypeVar("R")


class LoopThread:
    """Remembers the thread on which it was made."""

    def __init__(self) -> None:
        self._ident = threading.get_ident()

    def check(self, what: str) -> None:
        """Raises WrongThreadError off that thread."""
        if threading.get_ident() != self._ident:
            raise WrongThreadError(f"{what} was called off the thread of its event loop")


class _Bound(Protocol):
    _thread: LoopThread


S = TypeVar("S", bound=_Bound)


def on_loop_thread(method: Callable[Concatenate[S, P], R]) -> Callable[Concatenate[S, P], R]:
    """Checks the thread when the method is called, before any coroutine is made."""

    @functools.wraps(method)
    def checked(self: S, *args: P.args, **kwargs: P.kwargs) -> R:
        self._thread.check(method.__qualname__)
        return method(self, *args, **kwargs)

    return cast("Callable[Concatenate[S, P], R]", checked)
