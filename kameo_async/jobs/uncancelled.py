"""Work that is not lost when the task that wants it is cancelled."""

import asyncio
import types
from collections.abc import Coroutine, Generator
from typing import Any, TypeVar

T = TypeVar("T")


def begun(work: Coroutine[Any, Any, T], name: str | None = None) -> asyncio.Future[T]:
    """Runs `work` to its first wait now; what is left of it is a task of its own.

    Most work on jobs waits for nothing, and is done here in 1 us, where a task and the steps of the loop to
    it and back take 10. `work` may not ask for the current task before its first wait.
    """
    loop = asyncio.get_running_loop()
    done: asyncio.Future[T]
    try:
        waits_for = work.send(None)
    except StopIteration as end:
        done = loop.create_future()
        done.set_result(end.value)
    except (Exception, asyncio.CancelledError) as error:
        done = loop.create_future()
        done.set_exception(error)
    else:
        done = loop.create_task(_the_rest(work, waits_for), name=name)
    return done


async def uncancelled(work: Coroutine[Any, Any, T]) -> T:
    """Runs `work` to its end; a cancel that came meanwhile is raised after it."""
    task = begun(work)
    cancelled: asyncio.CancelledError | None = None
    while not task.done():
        try:
            await asyncio.shield(task)
        except asyncio.CancelledError as error:
            cancelled = error
        except BaseException:  # noqa: S110 - raised by `task.result()` below
            pass
    if cancelled is not None and not task.cancelled():
        task.exception()
        raise cancelled
    return task.result()


async def _the_rest(work: Coroutine[Any, Any, T], waits_for: object) -> T:
    return await _resumed(work, waits_for)


@types.coroutine
def _resumed(work: Coroutine[Any, Any, T], waits_for: object) -> Generator[Any, Any, T]:
    """Hands to the loop what `work` waits for, and to `work` what comes of it."""
    while True:
        try:
            sent = yield waits_for
        except BaseException as error:
            failure: BaseException | None = error
        else:
            failure = None
        try:
            waits_for = work.send(sent) if failure is None else work.throw(failure)
        except StopIteration as end:
            result: T = end.value
            return result
