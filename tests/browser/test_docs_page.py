"""The page to try the API from, in Chromium under the service's own Content-Security-Policy."""

import json
import re
from collections.abc import AsyncIterator
from typing import Any

import pytest_asyncio
from playwright.async_api import Browser, ConsoleMessage, Locator, Page

from tests.browser.reader import open_page
from tests.browser.served import NOBODY, HurriedClock, Served, served

VIOLATIONS = """
window.violations = [];
document.addEventListener("securitypolicyviolation", (event) =>
  window.violations.push(`${event.violatedDirective} ${event.blockedURI} ${event.sample}`));
"""
TOKEN = "a-token-for-the-docs"


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def guarded() -> AsyncIterator[Served]:
    """A service with a token."""
    async with served(NOBODY, mode="test", clock=HurriedClock(), token=TOKEN) as running:
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def reader(browser: Browser, guarded: Served) -> AsyncIterator[Page]:
    """The docs, opened by somebody who opened the page with its token.

    They are heavy, so all tests share them. No error, no blocked part and no request elsewhere is allowed.
    """
    said: list[str] = []
    asked: list[str] = []
    async with open_page(browser) as page:
        page.on("console", lambda message: _keep(said, message))
        page.on("request", lambda request: asked.append(request.url))
        await page.add_init_script(VIOLATIONS)
        await page.goto(f"{guarded.url}?token={TOKEN}")
        await page.wait_for_url(guarded.url)
        await page.goto(f"{guarded.url}docs")
        await page.locator(".opblock").first.wait_for()
        yield page
        assert await page.evaluate("window.violations") == []
    assert said == []
    assert asked
    assert [url for url in asked if not url.startswith((guarded.url, "data:"))] == []


def _keep(said: list[str], message: ConsoleMessage) -> None:
    if message.type in ("error", "warning"):
        said.append(message.text)


async def tried(page: Page, operation: str) -> Locator:
    """Opens an operation, presses "Try it out"."""
    block = page.locator(f"[id$='-{operation}']")
    await block.locator(".opblock-summary-control").click()
    await block.get_by_role("button", name="Try it out").click()
    return block


async def executed(block: Locator) -> tuple[int, Any]:
    """Presses "Execute", and gives the status and the JSON of the answer."""
    await block.get_by_role("button", name="Execute").click()
    answer = block.locator(".live-responses-table")
    await answer.wait_for()
    status = await answer.locator("tbody td.response-col_status").first.inner_text()
    body = await answer.locator("tbody .highlight-code code").first.inner_text()
    return int(re.findall(r"\d{3}", status)[0]), json.loads(body)


async def test_every_operation_is_shown(reader: Page, guarded: Served) -> None:
    """Offline, every operation of the description stands on the page."""
    document = await (await reader.request.get(f"{guarded.url}api/openapi.json")).json()
    operations = [
        each["operationId"] for path in document["paths"].values() for each in path.values() if "tags" in each
    ]
    shown = await reader.locator(".opblock").evaluate_all("all => all.map(one => one.id)")
    assert sorted(one.split("-", 2)[2] for one in shown) == sorted(operations)


async def test_a_job_is_tried_out(reader: Page) -> None:
    """With what the page fills in by itself a job is started, waited for, found, and its result read."""
    block = await tried(reader, "start-fetch-loans")
    status, job = await executed(block)
    assert (status, job["status"]) == (200, "success"), job
    block = await tried(reader, "get-job")
    await block.get_by_placeholder("job_id").fill(job["job_id"])
    status, again = await executed(block)
    assert (status, again) == (200, job)


async def test_what_does_not_fit_is_not_sent(reader: Page) -> None:
    """The page knows the ranges: a param out of range is marked, and nothing is asked."""
    block = await tried(reader, "list-jobs")
    await block.get_by_placeholder("cursor").fill("99999999999999999999")
    await block.get_by_role("button", name="Execute").click()
    await block.locator("input.invalid").wait_for()
    assert await block.locator(".live-responses-table").count() == 0


async def test_whoever_opened_the_page_may_try(browser: Browser, reader: Page, guarded: Served) -> None:
    """Where a token is set the page's cookie is enough, and needed."""
    assert await reader.evaluate("fetch('/api/ready').then((answer) => answer.status)") == 200
    stranger = await browser.new_context()
    assert (await stranger.request.get(f"{guarded.url}api/ready")).status == 401
    await stranger.close()
