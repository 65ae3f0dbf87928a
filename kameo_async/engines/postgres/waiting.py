"""Waiting for a database that is away, where a job is better late than failed."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from kameo_async.jobs.errors import UnavailableError

RETRY_SECONDS = 0.5

T = TypeVar("T")


async def once_reachable(work: Callable[[], Awaitable[T]]) -> T:
    """What `work` gives, tried until the database is back; who waits has a time limit of its own."""
    while True:
        try:
            return await work()
        except UnavailableError:
            await asyncio.sleep(RETRY_SECONDS)
