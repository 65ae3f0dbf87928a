"""axe-core finds no violation, in every view, in both themes, at both widths."""

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any, Literal, NamedTuple

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, expect

from tests.browser.processes import sandbox
from tests.browser.proxy import Proxy, running_proxy
from tests.browser.reader import DESK, PHONE, cancel_all, open_page, start, submit
from tests.browser.served import NOBODY, Served, config_of, served

AXE = Path(__file__).parent / "vendor" / "axe.min.js"
RUN = """async () => (await axe.run({ resultTypes: ["violations"] })).violations.map(
  ({ id, nodes }) => [id, ...nodes.slice(0, 3).map((node) => node.html + " " + node.failureSummary)])"""
FEWER = """["#rows tr", "circle"].forEach((alike) =>
  [...document.querySelectorAll(alike)].slice(20).forEach((one) => one.remove()))"""
SCHEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")
THOUSAND = 1004  # as the sandbox has them on 84 pages
NO_JOB = "0192f0c1-7c1e-7d3a-9d53-0d2f5a3f7c11"


class Places(NamedTuple):
    """The services on which the views are found; `lost` leads to jobs that never get in, and can be cut."""

    service: Served
    hanging: Served
    watchable: Served
    moving: Served
    many: Served
    failing: Served
    lost: Proxy


View = Callable[[Page, Places], Awaitable[None]]


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def places(
    service: Served, hanging: Served, watchable: Served, moving: Served, many: Served
) -> AsyncIterator[Places]:
    """All of them."""
    async with (
        served(NOBODY) as failing,
        sandbox("hang") as kameo,
        served(config_of(kameo, read_timeout=300)) as unanswered,
        running_proxy(unanswered.url) as lost,
    ):
        yield Places(service, hanging, watchable, moving, many, failing, lost)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def looked_at(browser: Browser) -> AsyncIterator[Page]:
    """One page for all views, with axe in it."""
    async with open_page(browser) as page:
        await page.add_init_script(path=AXE)
        await page.clock.install()
        yield page


async def at_start(page: Page, places: Places) -> None:
    """Nothing started."""
    await page.goto(places.service.url)


async def one_loan(page: Page, places: Places) -> None:
    """A single loan."""
    await _fetched(page, places.service, 1, limit=1, max_pages=1)


async def no_loans(page: Page, places: Places) -> None:
    """A fetch that found none."""
    await page.goto(f"{places.service.url}#job={await _finished(page, places.service, page=500)}")
    await expect(page.get_by_role("heading", name="Inga lån ligger ute")).to_be_visible()


async def many_loans(page: Page, places: Places) -> None:
    """Many loans, one filter on, a tooltip shown."""
    await _fetched(page, places.service, 12, limit=12, max_pages=1)
    await page.get_by_role("button", name="Sverige").click()
    await page.get_by_role("group", name="Ränta mot löptid").focus()
    await page.keyboard.press("ArrowRight")


async def a_thousand_loans(page: Page, places: Places) -> None:
    """Some of their rows and dots, which are made alike: axe takes a minute for all."""
    await _fetched(page, places.many, THOUSAND, limit=100)
    await page.evaluate(FEWER)


async def loans_with_a_past(page: Page, places: Places) -> None:
    """Loans that are new, changed, full, with speeds and curves."""
    for _ in range(5):
        job_id = await _finished(page, places.moving)
    await page.goto(f"{places.moving.url}#job={job_id}")
    await page.locator(".curve").first.wait_for()


async def gone(page: Page, places: Places) -> None:
    """A job that is gone."""
    await page.goto(f"{places.service.url}#job={NO_JOB}")
    await expect(page.get_by_role("alert")).to_contain_text("finns inte längre")


async def failed(page: Page, places: Places) -> None:
    """A job that failed, with what is missing and what to do."""
    await start(page, places.failing.url)
    await expect(page.get_by_role("alert")).to_contain_text("Saknas:")


async def running(page: Page, places: Places) -> None:
    """A job at work."""
    await _hanging(page, places.hanging.url, "Hämtar lånen …")


async def waiting(page: Page, places: Places) -> None:
    """A job that waits for others, in a list of all jobs that is longer than it shows at first."""
    for _ in range(8):
        await submit(page, places.hanging.url)
    await _hanging(page, places.hanging.url, "Väntar på sin tur …")
    await page.get_by_role("button", name="Visa alla").click()
    await expect(page.get_by_role("button", name="Visa färre")).to_be_visible()


async def cancelled(page: Page, places: Places) -> None:
    """A job that was cancelled."""
    await _hanging(page, places.hanging.url, "Hämtar lånen …")
    await page.get_by_role("button", name="Avbryt").click()
    await expect(page.get_by_role("status").first).to_have_text("Avbrutet.")


async def timed_out(page: Page, places: Places) -> None:
    """After the five minutes."""
    await _hanging(page, places.hanging.url, "Hämtar lånen …")
    await page.clock.fast_forward("05:05")
    await expect(page.get_by_role("alert")).to_contain_text("5 min")


async def reconnecting(page: Page, places: Places) -> None:
    """A service that does not answer any more."""
    await _hanging(page, places.lost.url, "Hämtar lånen …")
    await expect(page.locator("#phase")).to_have_text("Loggar in hos Kameo")
    await places.lost.down()
    await expect(page.get_by_role("status").first).to_have_text("Återansluter …")


async def form_and_plain_result(page: Page, places: Places) -> None:
    """The form of a kind from elsewhere, and its result."""
    job_id = await submit(page, places.watchable.url, "echo", text="one two")
    await page.goto(f"{places.watchable.url}#job={job_id}")
    await page.get_by_text("Kör ett jobb med egna värden").click()
    await expect(page.get_by_text("2 rader")).to_be_visible()


async def _finished(page: Page, service: Served, /, **params: Any) -> str:
    job_id = await submit(page, service.url, **params)
    answer = await page.request.get(f"{service.url}api/jobs/{job_id}", headers={"Prefer": "wait=10"})
    assert (await answer.json())["status"] == "success"
    return job_id


async def _fetched(page: Page, service: Served, loans: int, /, **params: Any) -> None:
    await page.goto(f"{service.url}#job={await _finished(page, service, **params)}")
    await expect(page.locator("#rows tr")).to_have_count(loans)


async def _hanging(page: Page, address: str, headline: str) -> None:
    await page.goto(f"{address}#job={await submit(page, address)}")
    await expect(page.get_by_role("status").first).to_have_text(headline)


VIEWS: list[View] = [
    at_start,
    one_loan,
    no_loans,
    many_loans,
    gone,
    a_thousand_loans,
    loans_with_a_past,
    failed,
    running,
    waiting,
    cancelled,
    timed_out,
    reconnecting,
    form_and_plain_result,
]


@pytest.mark.parametrize("view", VIEWS, ids=lambda view: view.__name__)
async def test_axe(looked_at: Page, places: Places, view: View) -> None:
    """No violation in this view, at a desk and on a phone, light and dark."""
    found = []
    await looked_at.set_viewport_size(DESK)
    await view(looked_at, places)
    for viewport in (DESK, PHONE):
        await looked_at.set_viewport_size(viewport)
        for scheme in SCHEMES:
            await looked_at.emulate_media(color_scheme=scheme)
            found += [(viewport["width"], scheme, *one) for one in await looked_at.evaluate(RUN)]
    await cancel_all(looked_at, places.hanging.url)
    assert found == []
