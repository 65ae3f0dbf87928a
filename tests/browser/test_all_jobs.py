"""The live list of all jobs, and the form for every kind."""

import re
from collections.abc import AsyncIterator

import pytest_asyncio
from playwright.async_api import Browser, Locator, Page, expect

from tests.browser.proxy import running_proxy
from tests.browser.reader import cancel, job_id_of, open_page, submit
from tests.browser.served import NOBODY, Served, served


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def listing(browser: Browser, test_mode: Served) -> AsyncIterator[Page]:
    """A page that is open all the time."""
    async with open_page(browser) as page:
        await page.goto(test_mode.url)
        yield page


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def forms(browser: Browser, watchable: Served) -> AsyncIterator[Page]:
    """Another one, on which the forms were opened."""
    async with open_page(browser) as page:
        await page.goto(watchable.url)
        await page.get_by_text("Kör ett jobb med egna värden").click()
        yield page


def row_of(page: Page, job_id: str) -> Locator:
    """The job's row in the list of all jobs."""
    return page.get_by_role("table", name="Alla jobb").locator(f'tr[data-job="{job_id}"]')


async def test_a_job_started_elsewhere_appears_and_moves(listing: Page, test_mode: Served) -> None:
    """Kind, status, age and time left, live, without a reload."""
    await expect(listing.get_by_role("heading", name="Alla jobb")).to_be_visible()
    row = row_of(listing, await submit(listing, test_mode.url))
    await expect(row.get_by_role("rowheader")).to_have_text("Hämta lån")
    await expect(row).to_contain_text("Pågår")
    await expect(row).to_contain_text("Klart")
    await expect(row.get_by_role("cell").nth(2)).to_have_text(re.compile(r"^0:0\d$"))
    await expect(row.get_by_role("cell").nth(3)).to_have_text(re.compile(r"^(59|60|1:00):\d\d$"))


async def test_progress_shows_in_the_list(forms: Page, watchable: Served) -> None:
    """Short: pages done of pages."""
    row = row_of(forms, await submit(forms, watchable.url))
    await expect(row.get_by_role("cell").nth(1)).to_have_text(re.compile(r"^[1-7]/7$"))


async def test_visa_opens_a_job(loans: Page, service: Served) -> None:
    """Its result is shown, and its id is in the address."""
    job_id = await submit(loans, service.url, limit=3, max_pages=1)
    await row_of(loans, job_id).get_by_role("button", name="Visa Hämta lån").click()
    await expect(loans.locator(".result").get_by_role("heading", name="3 lån", exact=True)).to_be_visible()
    assert loans.url.endswith(f"#job={job_id}")


async def test_stoppa_cancels_a_job(page: Page, hanging: Served) -> None:
    """The row says so, and the focus stays in it."""
    job_id = await submit(page, hanging.url)
    await page.goto(hanging.url)
    row = row_of(page, job_id)
    await row.get_by_role("button", name="Stoppa Hämta lån").click()
    await expect(row).to_contain_text("Avbrutet")
    await expect(row.get_by_role("button", name="Stoppa")).to_be_hidden()
    await expect(row.get_by_role("button", name="Visa")).to_be_focused()


async def test_an_expired_job_leaves_the_list(page: Page) -> None:
    """As soon as the service forgets it."""
    async with served(NOBODY, job_ttl_seconds=0.3, reap_interval_seconds=0.05) as service:
        await page.goto(service.url)
        await expect(page.get_by_text("Inga jobb än.")).to_be_visible()
        row = row_of(page, await submit(page, service.url))
        await expect(row).to_be_visible()
        await expect(row).to_have_count(0)
        await expect(page.get_by_text("Inga jobb än.")).to_be_visible()


async def test_jobs_that_end_with_the_service_are_told(listing: Page) -> None:
    """A reader whose service keeps no jobs over a restart knows it."""
    await expect(listing.get_by_text("Jobben finns bara så länge tjänsten är i gång.")).to_be_visible()


async def test_the_list_lives_without_websockets(page: Page, test_mode: Served) -> None:
    """It asks every few seconds instead."""
    await page.clock.install()
    async with running_proxy(test_mode.url, websockets=False) as proxy:
        async with page.expect_response("**/api/jobs?limit=100"):
            await page.goto(proxy.url)
        job_id = await submit(page, test_mode.url)
        await page.clock.fast_forward(6_000)
        await expect(row_of(page, job_id)).to_be_visible()


async def test_a_lost_service_is_told_in_the_list(page: Page, test_mode: Served) -> None:
    """And the list comes back with it."""
    async with running_proxy(test_mode.url) as proxy:
        await page.goto(proxy.url)
        await expect(row_of(page, await submit(page, test_mode.url))).to_be_visible()
        await proxy.down()
        await expect(page.get_by_text("Listan väntar på tjänsten …")).to_be_visible()
        job_id = await submit(page, test_mode.url)
        await proxy.up()
        await expect(row_of(page, job_id)).to_be_visible()


async def test_a_long_list_shows_the_newest_and_the_rest_on_demand(page: Page, hanging: Served) -> None:
    """Eight rows, then all of them."""
    jobs = [await submit(page, hanging.url) for _ in range(10)]
    for job_id in jobs:
        await cancel(page, hanging.url, job_id)
    await page.goto(hanging.url)
    await expect(page.locator("#jobs-rows tr")).to_have_count(8)
    await page.get_by_role("button", name="Visa alla").click()
    await expect(row_of(page, jobs[0])).to_be_visible()
    await page.get_by_role("button", name="Visa färre").click()
    await expect(page.locator("#jobs-rows tr")).to_have_count(8)


async def form_of(page: Page, kind: str) -> Locator:
    """The form of a kind, chosen as a reader does."""
    await page.get_by_label("Typ av jobb").select_option(kind)
    return page.locator("#kind-form")


async def test_a_kind_from_elsewhere_has_a_form_and_a_result(forms: Page) -> None:
    """Its fields come from its schema, it runs, and its table and the rest of its result are shown."""
    form = await form_of(forms, "echo")
    await expect(form).to_contain_text("Returns the text, a word at a time.")
    await form.get_by_label("Text").fill("one two")
    await form.get_by_label("Times").fill("2")
    await form.get_by_label("Voice").select_option("high")
    await form.get_by_role("checkbox", name="Loud").check()
    await form.get_by_role("button", name="Kör").click()
    result = forms.locator(".result")
    await expect(result).to_contain_text("ONE TWO ONE TWO")
    await expect(result.get_by_role("columnheader", name="Length")).to_be_visible()
    await expect(result.get_by_text("4 rader")).to_be_visible()
    await expect(result.get_by_role("link", name="CSV")).to_be_visible()
    await expect(forms.get_by_role("status").first).to_have_text("Klart.")


async def test_what_the_service_says_of_a_wrong_param_is_shown(forms: Page) -> None:
    """Beside the form, and what was typed stays."""
    form = await form_of(forms, "echo")
    await form.get_by_label("Text").fill("x")
    await form.evaluate("form => { form.noValidate = true; }")
    await form.get_by_label("Times").fill("7")
    await form.get_by_role("button", name="Kör").click()
    await expect(form).to_contain_text("Times must be between 1 and 3")
    await expect(form.get_by_label("Text")).to_have_value("x")
    await expect(forms.get_by_role("alert")).to_be_empty()


async def test_the_main_kind_has_a_form_too(forms: Page) -> None:
    """With limit, pages and countries as the schema has them."""
    form = await form_of(forms, "fetch-loans")
    await expect(form.get_by_role("group", name="Countries").get_by_role("checkbox")).to_have_count(3)
    await form.get_by_label("Max pages").fill("1")
    await form.get_by_label("Limit").fill("3")
    await form.get_by_role("button", name="Kör").click()
    await expect(forms.locator("#rows tr")).to_have_count(3)


async def test_two_tabs_list_the_same(page: Page, listing: Page, test_mode: Served) -> None:
    """What one starts the other lists."""
    await page.goto(test_mode.url)
    await page.get_by_role("button", name="Starta").click()
    await expect(row_of(listing, await job_id_of(page))).to_be_visible()
