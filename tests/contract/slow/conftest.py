"""The tests here run on a loop whose time they move."""

from collections.abc import AsyncIterator, Callable, Mapping

import pytest

from tests.contract.kinds import Mirror
from tests.contract.slow.loop import MovableLoop
from tests.service import Echo, Gate, Service, running_service


def pytest_asyncio_loop_factories() -> Mapping[str, Callable[[], MovableLoop]]:
    return {"movable": MovableLoop}


@pytest.fixture
async def service() -> AsyncIterator[Service]:
    """Frames of some megabytes go through it, and take their time."""
    async with running_service([Echo(), Gate(), Mirror()], is_watched=False) as running:
        yield running
