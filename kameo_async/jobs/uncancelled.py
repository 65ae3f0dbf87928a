"""Finishing what must not be lost, also when the task that does it is cancelled meanwhile."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


async def uncancelled(work: Coroutine[Any, Any, T]) -> T:
    """Runs `work` to its end; a cancel that came meanwhile is raised after it."""
    task = asyncio.get_running_loop().create_task(work)
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
