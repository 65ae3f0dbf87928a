"""A database that hangs: its connections stay open and nothing on them is answered."""

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from kameo_async.engines.postgres.connections import Connections
from kameo_async.engines.postgres.errors import DatabaseError
from kameo_async.engines.postgres.schema import prepare
from kameo_async.jobs.errors import UnavailableError
from kameo_async.jobs.service import JobService
from tests.engine_suite.puppet import Puppet, in_time, started
from tests.postgres.conftest import ended
from tests.postgres.server import Server

pytestmark = pytest.mark.database

ANSWER_SECONDS = 0.4


@asynccontextmanager
async def frozen(server: Server) -> AsyncIterator[None]:
    """All of the server's processes are stopped, as on a machine that swaps, or behind a dead switch."""
    first = int((server.data / "postmaster.pid").read_text().split()[0])
    stopped: list[int] = []
    try:
        while new := [pid for pid in (first, *children(first)) if pid not in stopped]:
            for pid in new:
                os.kill(pid, signal.SIGSTOP)
            stopped += new
            while not all(map(is_stopped, new)):
                await asyncio.sleep(0.001)
        yield
    finally:
        for pid in reversed(stopped):
            os.kill(pid, signal.SIGCONT)


def children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def is_stopped(pid: int) -> bool:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] in "TZ"


async def test_a_database_that_hangs_is_away(
    fragile_server: Server, start_service: Callable[..., Any]
) -> None:
    """Not ready; submits, reads and cancels are refused in bounded time; all goes on when it wakes."""
    url = fragile_server.database()
    service: JobService = await start_service(url, puppet := Puppet(), runs_jobs=True, answer=ANSWER_SECONDS)
    job = await started(service, puppet)
    async with frozen(fragile_server):
        starting = asyncio.ensure_future(prepare(Connections(url)))
        for ask in (
            lambda: service.submit("puppet", {"name": "b"}),
            lambda: service.submit("puppet", {"name": "b"}, key="k"),
            lambda: service.get(job.job_id),
            lambda: service.cancel(job.job_id),
            lambda: service.list(),
        ):
            begin = time.monotonic()
            answers = await in_time(asyncio.gather(*[ask() for _ in range(20)], return_exceptions=True))
            assert {type(answer) for answer in answers} == {UnavailableError}
            assert time.monotonic() - begin < 2 * ANSWER_SECONDS + 0.5
            assert not service.is_ready
        puppet["a"].finish("kept")
        with pytest.raises(DatabaseError, match="the database cannot be reached"):
            await in_time(starting)
    done = await ended(service, job)
    assert (done.status, done.result, done.attempt) == ("success", b'{"text":"kept"}', 1)
    assert service.is_ready
    puppet["b"].finish()
    assert (await ended(service, await service.submit("puppet", {"name": "b"}))).status == "success"


async def test_a_worker_may_leave_while_the_database_hangs(
    fragile_server: Server, start_service: Callable[..., Any]
) -> None:
    """In bounded time, without its job's end; that is found by its lease and runs elsewhere."""
    url = fragile_server.database()
    worker: JobService = await start_service(url, puppet := Puppet(), runs_jobs=True, answer=ANSWER_SECONDS)
    job = await started(worker, puppet)
    async with frozen(fragile_server):
        begin = time.monotonic()
        assert await worker.close(0) == []
        assert time.monotonic() - begin < 4
    other = await start_service(url, again := Puppet(), runs_jobs=True)
    await in_time(again["a"].started.wait())
    again["a"].finish()
    done = await ended(other, job)
    assert (done.status, done.attempt) == ("success", 2)
