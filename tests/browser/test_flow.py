"""The main flow: start, watch, cancel, read; by role and name, as a reader meets it."""

import re

from playwright.async_api import Browser, Page, expect

from tests.browser.reader import cancel, fetch, job_id_of, open_page, start, submit
from tests.browser.served import NOBODY, Served, served


async def test_countries_stand_beside_the_button_and_norways_absence_shows(
    page: Page, service: Served
) -> None:
    """Sweden and Denmark are on, Norway is off but there to see."""
    await page.goto(service.url)
    countries = page.get_by_role("group", name="Länder")
    await expect(countries.get_by_role("checkbox", name="SE")).to_be_checked()
    await expect(countries.get_by_role("checkbox", name="DK")).to_be_checked()
    await expect(countries.get_by_role("checkbox", name="NO")).to_be_visible()
    await expect(countries.get_by_role("checkbox", name="NO")).not_to_be_checked()


async def test_a_fetch_shows_its_loans(page: Page, service: Served) -> None:
    """Starta leads to the loans in `.result`, each in a row of a real table."""
    await fetch(page, service.url)
    result = page.locator(".result")
    await expect(result.get_by_role("heading", name="80 lån", exact=True)).to_be_visible()
    await expect(result.get_by_role("table", name="Lånen").get_by_role("rowheader")).to_have_count(80)
    await expect(page.get_by_role("status").first).to_have_text("Klart: 80 lån.")
    await expect(page.get_by_role("button", name="Starta")).to_be_enabled()


async def test_the_countries_that_are_ticked_are_fetched(page: Page, service: Served) -> None:
    """Norway alone gives Norwegian loans alone."""
    await page.goto(service.url)
    for code in ("SE", "DK", "NO"):
        await page.get_by_role("checkbox", name=code).click()
    await page.get_by_role("button", name="Starta").click()
    await expect(page.locator(".result").get_by_role("heading", name="Norge, NOK")).to_be_visible()
    await expect(page.locator(".result").get_by_role("heading", name="SEK")).to_have_count(0)


async def test_without_a_country_nothing_starts(page: Page, service: Served) -> None:
    """The page asks for a country and starts no job."""
    await page.goto(service.url)
    for code in ("SE", "DK"):
        await page.get_by_role("checkbox", name=code).click()
    await page.get_by_role("button", name="Starta").click()
    await expect(page.get_by_text("Välj minst ett land.")).to_be_visible()
    assert "#job" not in page.url


WATCH = """() => {
  window.seen = [];
  const [bar, text, spinner] = ["bar", "progress-text", "spinner"].map((id) => document.getElementById(id));
  const look = () => window.seen.push([text.textContent, bar.getAttribute("aria-valuenow"),
    bar.getAttribute("aria-valuemax"), document.getElementById("start").disabled, spinner.checkVisibility()]);
  new MutationObserver(look).observe(text, { childList: true });
}"""


async def test_while_it_works(page: Page, watchable: Served) -> None:
    """The progress bar counts pages in value and words; Starta is off, the spinner turns."""
    await page.goto(watchable.url)
    await page.evaluate(WATCH)
    await page.get_by_role("button", name="Starta").click()
    bar = page.get_by_role("progressbar", name="Förlopp")
    await expect(bar).to_be_visible()
    await expect(page.locator(".result")).to_be_visible()
    seen = await page.evaluate("window.seen")
    assert ["sida 3 av 7", "3", "7", True, True] in seen
    assert all(disabled and turns for text, _, _, disabled, turns in seen if text)
    await expect(bar).to_be_hidden()
    await expect(page.locator(".spinner")).to_be_hidden()
    await expect(page.get_by_role("button", name="Starta")).to_be_enabled()


async def test_elapsed_time_runs(page: Page, hanging: Served) -> None:
    """By the page's clock, from the start of the job."""
    await page.clock.install()
    await start(page, hanging.url)
    await page.wait_for_url("**/#job=*")
    await page.clock.fast_forward("01:15")
    await expect(page.locator("#elapsed")).to_have_text(re.compile("^1:1[5-9]$"))
    await cancel(page, hanging.url, await job_id_of(page))


async def test_progress_without_a_total_has_no_value(page: Page, hanging: Served) -> None:
    """While nothing is counted the progress bar says that it does not know."""
    await start(page, hanging.url)
    bar = page.get_by_role("progressbar")
    await expect(bar).to_be_visible()
    assert await bar.get_attribute("aria-valuenow") is None
    await cancel(page, hanging.url, await job_id_of(page))


async def test_avbryt_cancels(page: Page, hanging: Served) -> None:
    """Avbryt ends the job at the service too, and the page says so."""
    await start(page, hanging.url)
    await page.get_by_role("button", name="Avbryt").click()
    await expect(page.get_by_role("status").first).to_have_text("Avbrutet.")
    answer = await page.request.get(f"{hanging.url}api/jobs/{await job_id_of(page)}")
    assert (await answer.json())["status"] == "cancelled"
    await expect(page.get_by_role("button", name="Avbryt")).to_be_hidden()
    await expect(page.get_by_role("button", name="Starta")).to_be_focused()


async def test_the_job_is_in_the_fragment_and_a_reload_picks_it_up(page: Page, hanging: Served) -> None:
    """Reloading goes on with the same running job."""
    await start(page, hanging.url)
    await page.wait_for_url("**/#job=*")
    job_id = await job_id_of(page)
    await page.reload()
    await expect(page.get_by_role("status").first).to_have_text("Hämtar lånen …")
    assert await job_id_of(page) == job_id
    await page.get_by_role("button", name="Avbryt").click()
    await expect(page.get_by_role("status").first).to_have_text("Avbrutet.")


async def test_a_second_tab_follows_the_same_job(browser: Browser, page: Page, hanging: Served) -> None:
    """What one tab cancels the other tells too."""
    await start(page, hanging.url)
    await page.wait_for_url("**/#job=*")
    async with open_page(browser) as second:
        await second.goto(page.url)
        await expect(second.get_by_role("status").first).to_have_text("Hämtar lånen …")
        await page.get_by_role("button", name="Avbryt").click()
        await expect(second.get_by_role("status").first).to_have_text("Avbrutet.")


async def test_a_reload_shows_a_finished_job_again(page: Page, test_mode: Served) -> None:
    """The result is still there, with the time that it took."""
    job_id = await submit(page, test_mode.url)
    await page.goto(f"{test_mode.url}#job={job_id}")
    await expect(page.locator(".result")).to_contain_text("Dummy Loan 1")
    await page.reload()
    await expect(page.locator(".result")).to_contain_text("Dummy Loan 2")
    await expect(page.locator("#elapsed")).to_have_text("0:01")


async def test_back_leaves_the_job(page: Page, service: Served) -> None:
    """The browser's back button returns to the empty start, forward to the result."""
    await fetch(page, service.url)
    await page.go_back()
    await expect(page.locator(".result")).to_be_hidden()
    await page.go_forward()
    await expect(page.locator(".result")).to_be_visible()


async def test_invented_loans_are_never_taken_for_real_ones(
    page: Page, service: Served, test_mode: Served
) -> None:
    """The page says that it is the sandbox or the test mode; the real thing needs no label."""
    mode = page.locator("#mode")
    async with served(NOBODY, mode="sandbox") as invented:
        await page.goto(invented.url)
        await expect(mode).to_contain_text("Sandlåda")
    await page.goto(test_mode.url)
    await expect(mode).to_contain_text("Testläge")
    async with page.expect_response("**/api/health"):
        await page.goto(service.url)
    await expect(mode).to_be_hidden()
