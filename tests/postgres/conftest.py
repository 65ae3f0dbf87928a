"""Servers, processes, and webs in the test's own loop."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from kameo_async.engines.postgres import Cluster
from kameo_async.engines.postgres.connections import OPERATION_SECONDS
from kameo_async.jobs.kind import Kind
from kameo_async.jobs.models import Job
from kameo_async.jobs.service import JobLimits, JobService
from tests.postgres.server import Server, fragile_server, second_server, server
from tests.postgres.walk import Walk
from tests.processes import Command

__all__ = ["fragile_server", "second_server", "server"]

LEASE_SECONDS = 1.2


@pytest.fixture
def url(server: Server) -> Iterator[str]:
    """A database of the test's own."""
    with server.lent() as url:
        yield url


class Node:
    """A process of tests/postgres/node.py."""

    def __init__(self, process: Command, ready: str, log: Path) -> None:
        self._process = process
        self._log = log
        self.pid = process.pid
        self.ready = ready

    def signal(self, number: int) -> None:
        self._process.send_signal(number)

    def events(self) -> str:
        return self._log.read_text()

    async def ended(self) -> int:
        return await asyncio.to_thread(self._process.wait, 10)


@pytest.fixture
async def start_node(tmp_path: Path) -> AsyncIterator[Callable[..., Any]]:
    """Starts a process; it is killed in the end."""
    async with AsyncExitStack() as stack:

        async def start(role: str, url: str, lease: float = LEASE_SECONDS, slots: int = 4) -> Node:
            log = tmp_path / f"{role}{len(list(tmp_path.iterdir()))}.log"
            with log.open("wb") as stderr:
                arguments = ("-m", "tests.postgres.node", role, url, str(lease), str(slots))
                process = Command(tmp_path, *arguments, env={}, stderr=stderr)
            stack.callback(process.close)
            async with asyncio.timeout(20):
                ready = (await asyncio.to_thread(process.stdout.readline)).decode().strip()
            assert ready, log.read_text()
            return Node(process, ready, log)

        yield start


@pytest.fixture
async def start_service() -> AsyncIterator[Callable[..., Any]]:
    """Starts a service in the test's loop: a web, with `runs_jobs` a worker too."""
    async with AsyncExitStack() as stack:

        async def start(
            url: str,
            *kinds: Kind,
            runs_jobs: bool = False,
            mode: str = "test",
            lease: float = LEASE_SECONDS,
            answer: float = OPERATION_SECONDS,
            **limits: Any,
        ) -> JobService:
            cluster = Cluster(url, mode, runs_jobs=runs_jobs, lease_seconds=lease, answer_seconds=answer)
            await stack.enter_async_context(cluster)
            bounds = JobLimits(**{"grace_seconds": 0, **limits})
            service = JobService(kinds or [Walk()], bounds, cluster.clock, parts=cluster.parts)
            return await stack.enter_async_context(service)

        yield start


async def until(service: JobService, job: Job, holds: Callable[[Job], bool], seconds: float = 10) -> Job:
    """The job as soon as it holds; fails where it does not in time."""
    seen = await service.wait(job.job_id, holds, seconds)
    assert holds(seen), seen
    return seen


async def running(service: JobService, job: Job) -> Job:
    """The job once its `run` has reported."""
    return await until(service, job, lambda job: job.progress is not None)


async def ended(service: JobService, job: Job, seconds: float = 10) -> Job:
    """The job once it has ended."""
    return await until(service, job, lambda job: job.is_terminal, seconds)


def runner_of(job: Job) -> int:
    """The process that runs it."""
    assert job.progress is not None
    return int(job.progress.message)
