"""The engines that the suite holds to the contract: each a way to start a `JobService`."""

import itertools
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from kameo_async.jobs.journal import Journal
from kameo_async.jobs.kind import Kind
from kameo_async.jobs.service import JobLimits, JobService
from tests.clock import FakeClock, idle, waited_for
from tests.engine_suite.puppet import Puppet, closed
from tests.postgres.server import Server, server
from tests.postgres.suite import running_cluster, service_of

__all__ = ["server"]

Start = Callable[..., Any]


@pytest.fixture
def clock() -> FakeClock:
    """The clock of the services that `start` starts."""
    return FakeClock()


@pytest.fixture
async def puppet() -> AsyncIterator[Puppet]:
    """A kind in the test's hands, which let go in the end."""
    puppet = Puppet()
    yield puppet
    for hand in puppet.hands.values():
        hand.finish()  # the stubborn ones too
    await idle()


ENGINES = ("memory", "journal", pytest.param("postgres", marks=pytest.mark.database))


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Runs each test on every engine; one marked `in_process` only where a process is the whole service."""
    if "start" in metafunc.fixturenames:
        is_in_process = metafunc.definition.get_closest_marker("in_process") is not None
        metafunc.parametrize("start", ENGINES[:2] if is_in_process else ENGINES, indirect=True)


@pytest.fixture
async def start(request: pytest.FixtureRequest, clock: FakeClock, tmp_path: Path) -> AsyncIterator[Start]:
    """Starts services with these kinds and limits; closes them at the end."""
    numbers = itertools.count()
    async with AsyncExitStack() as stack:

        async def distributed(kinds: Sequence[Kind], limits: JobLimits) -> JobService:
            server: Server = request.getfixturevalue("server")
            url = stack.enter_context(server.lent())
            return service_of(await stack.enter_async_context(running_cluster(url, clock)), kinds, limits)

        async def journal() -> Journal | None:
            if request.param == "memory":
                return None
            path = tmp_path / f"{next(numbers)}.sqlite3"
            journal = await stack.enter_async_context(Journal.open(path, clock))
            stack.enter_context(waited_for(lambda: journal.is_busy))
            return journal

        async def start(*kinds: Kind, **limits: Any) -> JobService:
            if request.param == "postgres":
                service = await distributed(kinds, JobLimits(**limits))
            else:
                service = JobService(kinds, JobLimits(**limits), clock, await journal())
            await service.__aenter__()
            stack.push_async_callback(closed, service, clock)
            return service

        yield start
