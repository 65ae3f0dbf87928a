"""Chromium, one a session, and real services as processes of their own."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, async_playwright
from pytest_asyncio import is_async_test

from tests.browser.plugin import plugin
from tests.browser.processes import Service, sandbox
from tests.browser.reader import CHROMIUM, CHROMIUM_ARGS, fetch, open_page

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


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def service(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Service]:
    """A service on a sandbox that answers at once: 80 loans on 7 pages."""
    async with sandbox() as settings:
        with Service(tmp_path_factory.mktemp("service"), env=settings) as running:
            yield running


@pytest.fixture(scope="session")
def test_mode(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service with two fixed loans."""
    with Service(tmp_path_factory.mktemp("test-mode"), env={"TEST_MODE": "1"}) as running:
        yield running


_SILENT = {"KAMEO_READ_TIMEOUT": "300", "KAMEO_ASYNC_SHUTDOWN_GRACE_SECONDS": "0"}


@pytest_asyncio.fixture(loop_scope="session")
async def silence() -> AsyncIterator[dict[str, str]]:
    """The settings of a sandbox whose listing never answers.

    It is one test's own: it takes each two-factor code once, and services that share no state know
    nothing of each other's.
    """
    async with sandbox("hang") as settings:
        yield {**settings, **_SILENT}


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def hanging(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Service]:
    """A service whose jobs run until they are cancelled."""
    async with sandbox("hang") as settings:
        with Service(tmp_path_factory.mktemp("hanging"), env={**settings, **_SILENT}) as running:
            yield running


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def watchable(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Service]:
    """A service whose pages come one after another, slowly enough to be seen, with a kind from elsewhere."""
    folder = tmp_path_factory.mktemp("watchable")
    env = {"KAMEO_MAX_CONCURRENCY": "1", "PYTHONPATH": str(plugin(folder))}
    async with sandbox(latency=0.2) as settings:
        with Service(folder, env={**settings, **env}) as running:
            yield running


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def moving(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Service]:
    """A service on a sandbox of two pages in which most of a day passes in a second."""
    async with sandbox(pages=2, pace=60_000) as settings:
        with Service(tmp_path_factory.mktemp("moving"), env=settings) as running:
            yield running


@pytest_asyncio.fixture(loop_scope="session")
async def page(browser: Browser) -> AsyncIterator[Page]:
    """A page of a Swedish reader at a desk."""
    async with open_page(browser) as opened:
        yield opened


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def many(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Service]:
    """A service on a sandbox with a thousand loans."""
    async with sandbox(pages=84) as settings:
        with Service(tmp_path_factory.mktemp("many"), env=settings) as running:
            yield running


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def fetched(browser: Browser, service: Service) -> AsyncIterator[str]:
    """The address of a finished fetch of 80 loans."""
    async with open_page(browser) as page:
        await fetch(page, service.url)
        yield page.url


@pytest_asyncio.fixture(loop_scope="session")
async def loans(page: Page, fetched: str) -> Page:
    """A page that shows those 80 loans."""
    await page.goto(fetched)
    await page.locator(".result").wait_for(state="visible")
    return page
