"""Chromium, and services to look at, one of each a session."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, async_playwright, expect
from pytest_asyncio import is_async_test

from tests.browser.plugin import plugin_installed
from tests.browser.processes import sandbox
from tests.browser.reader import CHROMIUM, CHROMIUM_ARGS, DESK, PATIENCE_MS, fetch, open_page
from tests.browser.served import NOBODY, Served, config_of, served

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
    expect.set_options(timeout=PATIENCE_MS)
    async with async_playwright() as playwright:
        chromium = await playwright.chromium.launch(executable_path=CHROMIUM, args=CHROMIUM_ARGS)
        yield chromium
        await chromium.close()


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def service() -> AsyncIterator[Served]:
    """A service on a sandbox that answers at once: 80 loans on 7 pages."""
    async with sandbox() as kameo, served(config_of(kameo)) as running:
        yield running


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def test_mode() -> AsyncIterator[Served]:
    """A service with two fixed loans."""
    async with served(NOBODY, mode="test") as running:
        yield running


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def hanging() -> AsyncIterator[Served]:
    """A service whose jobs run until they are cancelled."""
    async with sandbox("hang") as kameo, served(config_of(kameo, read_timeout=300)) as running:
        yield running


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def watchable(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Served]:
    """A service whose pages come one after another, slowly enough to be seen, with a kind from elsewhere."""
    async with sandbox(latency=0.2) as kameo, AsyncExitStack() as stack:
        with plugin_installed(tmp_path_factory.mktemp("plugin")):
            running = await stack.enter_async_context(served(config_of(kameo, max_concurrency=1)))
        yield running


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def moving() -> AsyncIterator[Served]:
    """A service on a sandbox of two pages in which most of a day passes in a second."""
    async with sandbox(pages=2, pace=60_000) as kameo, served(config_of(kameo)) as running:
        yield running


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def many() -> AsyncIterator[Served]:
    """A service on a sandbox with a thousand loans."""
    async with sandbox(pages=84) as kameo, served(config_of(kameo)) as running:
        yield running


@pytest_asyncio.fixture(loop_scope="session")
async def page(browser: Browser) -> AsyncIterator[Page]:
    """A page of a Swedish reader at a desk."""
    async with open_page(browser) as opened:
        yield opened


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def shown(browser: Browser, service: Served) -> AsyncIterator[Page]:
    """A page on which 80 loans were fetched."""
    async with open_page(browser) as page:
        await fetch(page, service.url)
        yield page


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def fetched(shown: Page) -> str:
    """The address of those 80 loans."""
    return shown.url


AS_AT_FIRST = """address => {
  document.activeElement.blur();
  history.replaceState(null, "", address);
  dispatchEvent(new PopStateEvent("popstate"));
  scrollTo(0, 0);
}"""


@pytest_asyncio.fixture(loop_scope="session")
async def loans(shown: Page, fetched: str) -> Page:
    """That page as it was when the loans came, with nothing sorted or left out."""
    await shown.set_viewport_size(DESK)
    await shown.emulate_media(media="screen", color_scheme="light")
    await shown.mouse.move(1, 1)
    await shown.evaluate(AS_AT_FIRST, fetched)
    await expect(shown.locator("#rows tr")).to_have_count(80)
    return shown
