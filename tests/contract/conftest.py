"""The service that the contract's tests talk to, from outside."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.contract.kinds import Mirror
from tests.service import Echo, Gate, Service, running_service


@pytest.fixture
async def service() -> AsyncIterator[Service]:
    async with running_service([Echo(), Gate(), Mirror()]) as running:
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared() -> AsyncIterator[Service]:
    """One service for all tests of a module that marks them so: for tests that leave nothing that matters."""
    async with running_service([Echo(), Gate(), Mirror()], is_watched=False) as running:
        yield running
