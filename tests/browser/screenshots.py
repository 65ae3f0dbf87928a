"""Makes the README's pictures of the page: `python -m tests.browser.screenshots`."""

import asyncio
import tempfile
from pathlib import Path
from typing import Literal

from playwright.async_api import Browser, async_playwright

from tests.browser.processes import Service
from tests.browser.reader import CHROMIUM, CHROMIUM_ARGS, fetch, open_page

DOCS = Path(__file__).parents[2] / "docs"
SIZE = {"width": 1280, "height": 1780}
PACE, FETCHES, BETWEEN_MS = 600, 4, 8_000
PICTURES: dict[Literal["light", "dark"], str] = {"light": "screenshot.png", "dark": "screenshot-dark.png"}


async def take(browser: Browser, address: str) -> None:
    """The loans of the last of some fetches from a hurried sandbox, in both themes."""
    async with open_page(browser, viewport=SIZE, reduced_motion="reduce") as page:
        await fetch(page, address)
        for _ in range(1, FETCHES):
            await page.wait_for_timeout(BETWEEN_MS)
            await page.get_by_role("button", name="Starta").click()
            await page.locator("#spinner").wait_for(state="visible")
            await page.locator(".result").wait_for(state="visible", timeout=60_000)
        await page.locator(".curve").first.wait_for()
        await page.locator("#chart-scatter circle").first.wait_for()
        await page.mouse.move(1, 1)
        for scheme, name in PICTURES.items():
            await page.emulate_media(color_scheme=scheme)
            await page.screenshot(path=DOCS / name, scale="css")


async def main() -> None:
    """Starts the service on its sandbox and takes both pictures."""
    DOCS.mkdir(exist_ok=True)
    arguments = ("--sandbox", "--pace", str(PACE))
    with tempfile.TemporaryDirectory() as folder, Service(Path(folder), *arguments) as service:
        async with async_playwright() as playwright:
            browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=CHROMIUM_ARGS)
            await take(browser, service.url)
            await browser.close()


if __name__ == "__main__":
    asyncio.run(main())
