"""What the fetches before tell: what is new, how fast loans fill up, and the curve of each."""

import asyncio
import re
from pathlib import Path
from typing import Any

from playwright.async_api import Locator, Page, Route, expect

from tests.browser.processes import Service, sandbox
from tests.browser.reader import fetch, submit
from tests.browser.served import Served, config_of, served

CURVE = re.compile(r"^Tecknat \d+\s% .*\d\d:\d\d, \d+\s% .*\d\d:\d\d$")
SECONDS = 20


async def fetched(page: Page, address: str) -> dict[str, Any]:
    """The finished document of a fetch that a program asked for."""
    headers = {"Prefer": "wait=10"}
    answer = await page.request.get(f"{address}api/jobs/{await submit(page, address)}", headers=headers)
    job: dict[str, Any] = await answer.json()
    assert job["status"] == "success", job
    return job


async def fetched_until_moving(page: Page, address: str, *, new: bool = False) -> dict[str, Any]:
    """Fetches until one has loans that fill up, and with `new` others that are new."""
    async with asyncio.timeout(SECONDS):
        while True:
            job = await fetched(page, address)
            if moving_of(job) and (job["data"]["changes"]["new"] or not new):
                return job


def moving_of(job: dict[str, Any]) -> list[dict[str, Any]]:
    """The loans that fill up, as fast as the service says."""
    return [loan for loan in job["data"]["loans"] if (loan["subscribed_per_hour"] or 0) > 0]


def row_of(page: Page, loan: int) -> Locator:
    """A loan's row."""
    return page.locator("#rows tr", has_text=f"#{loan}")


def curves(within: Page | Locator) -> Locator:
    """The curves, by role and name."""
    return within.get_by_role("img", name=CURVE)


async def histories(page: Page, address: str) -> int:
    """How many jobs there are that read the past."""
    answer = await page.request.get(f"{address}api/jobs?kind=loan-history&limit=100")
    return int((await answer.json())["total_jobs"])


async def test_loans_are_seen_to_move(page: Page) -> None:
    """From the second fetch on there are badges, speeds, curves, and a line that says since when."""
    async with sandbox(pages=2, pace=60_000) as kameo, served(config_of(kameo)) as service:
        await fetch(page, service.url)
        await expect(page.locator("#since")).to_be_hidden()
        await expect(curves(page)).to_have_count(0)
        assert await histories(page, service.url) == 0
        job = await fetched_until_moving(page, service.url, new=True)
        await page.goto(f"{service.url}#job={job['job_id']}")
        await expect(page.locator("#since")).to_have_text(re.compile(r"^Sedan \d\d:\d\d: \d+ (nytt|nya)"))
        new = row_of(page, job["data"]["changes"]["new"][0])
        await expect(new).to_contain_text("Nytt")
        await expect(curves(new)).to_have_count(0)
        moving = row_of(page, moving_of(job)[0]["id"])
        await expect(moving).to_contain_text(re.compile(r"≈ [\d\s]+(mn )?kr/tim"))
        await expect(curves(moving)).to_be_visible()
        await page.reload()
        await expect(curves(moving)).to_be_visible()
        assert await histories(page, service.url) == 1


async def test_loans_do_not_wait_for_their_curves(page: Page, moving: Served) -> None:
    """They show at once; the curves come when they come, and stay in order and language."""
    job = await fetched_until_moving(page, moving.url)
    release = asyncio.Event()

    async def hold(route: Route) -> None:
        await release.wait()
        await route.continue_()

    await page.route("**/api/jobs/loan-history", hold)
    await page.goto(f"{moving.url}#job={job['job_id']}")
    row = row_of(page, moving_of(job)[0]["id"])
    await expect(row).to_contain_text("≈")
    await expect(curves(page)).to_have_count(0)
    release.set()
    await expect(curves(row)).to_be_visible()
    await page.get_by_role("columnheader", name="Belopp").get_by_role("button").click()
    await expect(curves(row)).to_be_visible()
    await page.get_by_role("button", name="English").click()
    await expect(row.get_by_role("img", name=re.compile(r"^Filled \d+% "))).to_be_visible()
    await expect(row).to_contain_text("kr/h")


async def test_jobs_for_curves_are_nobodys_to_see(page: Page) -> None:
    """The list of all jobs leaves out what this browser asks for its curves, after a reload too."""
    async with sandbox(pages=2, pace=60_000) as kameo, served(config_of(kameo)) as service:
        job = await fetched_until_moving(page, service.url)
        asked = await submit(page, service.url, "loan-history", to=job["finished_at"])
        await page.goto(f"{service.url}#job={job['job_id']}")
        listed = page.locator("#jobs-rows tr", has_text="Lånens historik")
        for _ in range(2):
            await expect(curves(page).first).to_be_visible()
            await expect(listed).to_have_count(1)
            assert await listed.get_attribute("data-job") == asked
            await page.reload()
        assert await histories(page, service.url) == 2


async def test_without_a_past_nothing_is_missed(page: Page, moving: Served) -> None:
    """A service that cannot tell the past leaves the loans as they are, without a word."""
    job = await fetched_until_moving(page, moving.url)
    await page.route("**/api/jobs/loan-history", lambda route: route.fulfill(status=503, json={}))
    async with page.expect_response("**/api/jobs/loan-history"):
        await page.goto(f"{moving.url}#job={job['job_id']}")
    await expect(page.locator("#rows tr")).to_have_count(len(job["data"]["loans"]))
    await expect(row_of(page, moving_of(job)[0]["id"])).to_contain_text("≈")
    await expect(curves(page)).to_have_count(0)
    await expect(page.get_by_role("alert")).to_be_empty()
    await expect(page.get_by_role("status").first).to_contain_text("Klart")


async def test_the_past_is_that_of_the_fetch_that_is_shown(page: Page, moving: Served) -> None:
    """It is asked for up to that fetch, for the loans that were seen before."""
    job = await fetched_until_moving(page, moving.url, new=True)
    async with page.expect_request("**/api/jobs/loan-history") as asked:
        await page.goto(f"{moving.url}#job={job['job_id']}")
    loans = job["data"]["loans"]
    seen = sorted(loan["id"] for loan in loans if loan["subscribed_per_hour"] is not None)
    params = (await asked.value).post_data_json
    assert params is not None
    assert sorted(params["ids"]) == seen
    assert params["to"] == job["finished_at"]
    assert not set(params["ids"]) & set(job["data"]["changes"]["new"])


async def test_the_sandbox_that_serve_brings_can_be_hurried(page: Page, tmp_path: Path) -> None:
    """`serve --sandbox --pace 3600`: an hour passes in a second, so a second fetch differs from the first."""
    with Service(tmp_path, "--sandbox", "--pace", "3600") as service:
        assert moving_of(await fetched(page, service.url)) == []
        job = await fetched(page, service.url)
        assert job["data"]["changes"]["changed"]
        assert moving_of(job)
