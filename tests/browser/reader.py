"""A reader's browser: how it is started, set up, and watched for errors."""

import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from playwright.async_api import Browser, Page, ViewportSize

CHROMIUM = shutil.which("chromium-headless-shell") or "/usr/bin/chromium"
CHROMIUM_ARGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
DESK: ViewportSize = {"width": 1280, "height": 900}
PHONE: ViewportSize = {"width": 360, "height": 740}

# Swedish, far from Stockholm, at a desk; without motion, for it costs frames that nobody sees.
READER: dict[str, Any] = {
    "locale": "sv-SE",
    "timezone_id": "America/New_York",
    "viewport": DESK,
    "reduced_motion": "reduce",
}

PATIENCE_MS = 10_000  # on a machine that has other things to do


@asynccontextmanager
async def open_page(browser: Browser, **options: Any) -> AsyncIterator[Page]:
    """A page in a context of its own; an error in a script of the page fails the test."""
    context = await browser.new_context(**{**READER, **options})
    page = await context.new_page()
    page.set_default_timeout(PATIENCE_MS)
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    try:
        yield page
    finally:
        await context.close()
    assert errors == []


async def start(page: Page, address: str) -> None:
    """Opens the page and presses Starta."""
    await page.goto(address)
    await page.get_by_role("button", name="Starta").click()


async def fetch(page: Page, address: str) -> None:
    """Opens the page, presses Starta and waits for the loans."""
    await start(page, address)
    await page.locator(".result").wait_for(state="visible")


async def submit(page: Page, address: str, kind: str = "fetch-loans", /, **params: Any) -> str:
    """Starts a job as a program does, and gives its id."""
    answer = await page.request.post(f"{address}api/jobs/{kind}", data=params)
    assert answer.status == 202, await answer.text()
    return str((await answer.json())["job_id"])


async def cancel(page: Page, address: str, job_id: str) -> None:
    """Cancels a job as a program does."""
    assert (await page.request.delete(f"{address}api/jobs/{job_id}")).ok


async def cancel_all(page: Page, address: str) -> None:
    """Cancels all jobs that are not finished, those that wait first."""
    for status in ("pending", "running"):
        answer = await page.request.get(f"{address}api/jobs?status={status}&limit=100")
        for job in (await answer.json())["jobs"]:
            await cancel(page, address, job["job_id"])


async def job_id_of(page: Page) -> str:
    """The job that the page's address names, as soon as it does."""
    await page.wait_for_url("**/*#job=*")
    return page.url.partition("#job=")[2]


async def result_of(page: Page) -> list[dict[str, Any]]:
    """The loans as the service gives them."""
    job_id = page.url.partition("#job=")[2]
    origin = page.url.split("/?")[0].split("/#")[0].rstrip("/")
    return list((await (await page.request.get(f"{origin}/api/jobs/{job_id}/result")).json())["loans"])
