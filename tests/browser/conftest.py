"""Chromium, one a session, and real services as processes of their own."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, async_playwright
from pytest_asyncio import is_async_test

from tests.browser.plugin import plugin
from tests.browser.processes import Sandbox, Service
from tests.browser.reader import CHROMIUM, CHROMIUM_ARGS, open_page

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """All of these share the browser, so they share its loop too."""
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.browser)
            if is_async_test(item):
                item.add_marker(pytest.mark.asyncio(loop_scope="session"), append=False)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser() -> AsyncIterator[Browser]:
    """Debian's Chromium. A missing one is a failure."""
    async with async_playwright() as playwright:
        chromium = await playwright.chromium.launch(executable_path=CHROMIUM, args=CHROMIUM_ARGS)
        yield chromium
        await chromium.close()


@pytest.fixture(scope="session")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service on a sandbox that answers at once: 80 loans on 7 pages."""
    folder = tmp_path_factory.mktemp("service")
    with Sandbox(folder) as sandbox, Service(folder, env=sandbox.settings) as running:
        yield running


@pytest.fixture(scope="session")
def test_mode(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service with two fixed loans."""
    with Service(tmp_path_factory.mktemp("test-mode"), env={"TEST_MODE": "1"}) as running:
        yield running


@pytest.fixture(scope="session")
def hanging(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service on a sandbox whose listing never answers: its jobs run until they are cancelled."""
    folder = tmp_path_factory.mktemp("hanging")
    env = {"KAMEO_READ_TIMEOUT": "300", "KAMEO_ASYNC_SHUTDOWN_GRACE_SECONDS": "0"}
    with (
        Sandbox(folder, "--fault", "hang") as sandbox,
        Service(folder, env={**sandbox.settings, **env}) as running,
    ):
        yield running


@pytest.fixture(scope="session")
def watchable(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service whose pages come one after another, slowly enough to be seen, with a kind from elsewhere."""
    folder = tmp_path_factory.mktemp("watchable")
    env = {"KAMEO_MAX_CONCURRENCY": "1", "PYTHONPATH": str(plugin(folder))}
    with (
        Sandbox(folder, "--latency", "0.25") as sandbox,
        Service(folder, env={**sandbox.settings, **env}) as running,
    ):
        yield running


@pytest_asyncio.fixture(loop_scope="session")
async def page(browser: Browser) -> AsyncIterator[Page]:
    """A page of a Swedish reader at a desk."""
    async with open_page(browser) as opened:
        yield opened
