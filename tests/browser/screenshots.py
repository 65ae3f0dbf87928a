"""Makes the README's pictures of the page: `python -m tests.browser.screenshots`."""

import asyncio
import tempfile
from pathlib import Path

from playwright.async_api import Browser, async_playwright

from tests.browser.processes import Service
from tests.browser.reader import CHROMIUM, CHROMIUM_ARGS, fetch, open_page

DOCS = Path(__file__).parents[2] / "docs"
SIZE = {"width": 1280, "height": 1560}
PICTURES = {"light": "screenshot.png", "dark": "screenshot-dark.png"}


async def picture(browser: Browser, address: str, scheme: str, path: Path) -> None:
    """The loans of the sandbox, in one theme."""
    async with open_page(browser, color_scheme=scheme, viewport=SIZE, reduced_motion="reduce") as page:
        await fetch(page, address)
        await page.locator("#chart-scatter circle").first.wait_for()
        await page.mouse.move(1, 1)
        await page.screenshot(path=path, scale="css")


async def main() -> None:
    """Starts the service on its sandbox and takes both pictures."""
    DOCS.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, Service(Path(folder), "--sandbox") as service:
        async with async_playwright() as playwright:
            browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=CHROMIUM_ARGS)
            for scheme, name in PICTURES.items():
                await picture(browser, service.url, scheme, DOCS / name)
            await browser.close()


if __name__ == "__main__":
    asyncio.run(main())
