"""The service that the contract's tests talk to, from outside."""

from collections.abc import AsyncIterator

import pytest

from tests.contract.kinds import Mirror
from tests.service import Echo, Gate, Service, running_service


@pytest.fixture
async def service() -> AsyncIterator[Service]:
    async with running_service([Echo(), Gate(), Mirror()]) as running:
        yield running
