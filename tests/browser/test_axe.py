"""axe-core finds no violation, in every view, in both themes, at both widths."""

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Literal

import pytest
from playwright.async_api import Browser, Page, expect

from tests.browser.processes import Service
from tests.browser.reader import DESK, PHONE, cancel, job_id_of, open_page, start, submit

AXE = Path(__file__).parent / "vendor" / "axe.min.js"
RUN = """async (rules) => (await axe.run(document, { resultTypes: ["violations"], ...rules })).violations.map(
  ({ id, nodes }) => [id, ...nodes.slice(0, 3).map((node) => node.html + " " + node.failureSummary)])"""

# The theme changes colours and nothing else, so the second look is at colours alone.
THEMES: dict[Literal["light", "dark"], dict[str, Any]] = {
    "light": {},
    "dark": {"runOnly": {"type": "rule", "values": ["color-contrast", "link-in-text-block"]}},
}

Services = dict[str, Service]
View = Callable[[Page, Services], Awaitable[None]]


async def at_start(page: Page, services: Services) -> None:
    """Nothing started."""
    await page.goto(services["service"].url)


async def running(page: Page, services: Services) -> None:
    """A job at work."""
    await start(page, services["hanging"].url)
    await expect(page.get_by_role("progressbar")).to_be_visible()


async def many_loans(page: Page, services: Services) -> None:
    """Many loans, one filter on, a tooltip shown."""
    await _result(page, services["service"].url, limit=12, max_pages=1)
    await page.get_by_role("button", name="Sverige").click()
    await page.get_by_role("group", name="Ränta mot löptid").focus()
    await page.keyboard.press("ArrowRight")


async def loans_with_a_past(page: Page, services: Services) -> None:
    """Loans that are new, changed, full, with speeds and curves."""
    for _ in range(5):
        await _result(page, services["moving"].url)
    await page.locator(".curve").first.wait_for()


async def one_loan(page: Page, services: Services) -> None:
    """A single loan."""
    await _result(page, services["service"].url, limit=1, max_pages=1)


async def no_loans(page: Page, services: Services) -> None:
    """A fetch that found none."""
    await _result(page, services["service"].url, page=500)


async def gone(page: Page, services: Services) -> None:
    """A job that is gone."""
    await page.goto(f"{services['service'].url}#job=0192f0c1-7c1e-7d3a-9d53-0d2f5a3f7c11")
    await expect(page.get_by_role("alert")).not_to_be_empty()


async def timed_out(page: Page, services: Services) -> None:
    """After the five minutes."""
    await page.clock.install()
    await running(page, services)
    await page.wait_for_url("**/#job=*")
    await page.clock.fast_forward("05:05")
    await expect(page.get_by_role("alert")).to_contain_text("5 min")
    await page.clock.resume()


async def form_and_plain_result(page: Page, services: Services) -> None:
    """The form of a kind from elsewhere, and its result."""
    address = services["watchable"].url
    job_id = await submit(page, address, "echo", text="one two")
    await page.goto(f"{address}#job={job_id}")
    await page.get_by_text("Kör ett jobb med egna värden").click()
    await expect(page.get_by_text("2 rader")).to_be_visible()


async def _result(page: Page, address: str, /, **params: Any) -> None:
    await page.goto(f"{address}#job={await submit(page, address, **params)}")
    await page.locator(".result").wait_for(state="visible")


VIEWS: list[View] = [
    at_start,
    running,
    many_loans,
    loans_with_a_past,
    one_loan,
    no_loans,
    gone,
    timed_out,
    form_and_plain_result,
]


@pytest.mark.parametrize("view", VIEWS, ids=lambda view: view.__name__)
async def test_axe(
    browser: Browser, service: Service, hanging: Service, watchable: Service, moving: Service, view: View
) -> None:
    """No violation in this view, at a desk and on a phone, light and dark."""
    services = {"service": service, "hanging": hanging, "watchable": watchable, "moving": moving}
    found = []
    for viewport in (DESK, PHONE):
        async with open_page(browser, viewport=viewport, reduced_motion="reduce") as page:
            await page.add_init_script(path=AXE)
            await view(page, services)
            for scheme, rules in THEMES.items():
                await page.emulate_media(color_scheme=scheme)
                found += [(viewport["width"], scheme, *one) for one in await page.evaluate(RUN, rules)]
            if services["hanging"].url in page.url:
                await cancel(page, hanging.url, await job_id_of(page))
    assert found == []
