"""The result around the table: charts, few loans and none, downloads, what is new, a thousand loans."""

import json
import re
from pathlib import Path

import pytest
from playwright.async_api import Page, Route, expect

from tests.browser.reader import result_of, submit
from tests.browser.served import Served


async def test_each_chart_has_title_text_axes_and_a_tooltip(loans: Page) -> None:
    """By mouse and by keyboard; Escape puts it away."""
    for title in ("Ränta mot löptid", "Hur fyllda lånen är", "Kapital per riskklass"):
        figure = loans.get_by_role("figure").filter(has=loans.get_by_role("heading", name=title))
        names = "svg => svg.ariaLabelledByElements.map((one) => one.textContent)"
        heading, sentence = await figure.get_by_role("img").evaluate(names)
        assert heading == title
        assert len(sentence) > 20
        assert re.search(r"%|mn SEK", " ".join(await figure.locator("svg text").all_text_contents()))
        await figure.get_by_role("group").focus()
        await loans.keyboard.press("ArrowRight")
        tip = figure.locator(".tip")
        first = await tip.text_content()
        await expect(tip).to_be_visible()
        assert await tip.get_attribute("aria-live") == "polite"
        await loans.keyboard.press("End")
        assert await tip.text_content() != first
        await loans.keyboard.press("Escape")
        await expect(tip).to_be_hidden()
        mark = figure.locator("circle, rect:not(.lit), .bar").first
        await mark.scroll_into_view_if_needed()
        box = await mark.bounding_box()
        assert box
        await loans.mouse.move(box["x"] + min(5, box["width"] / 2), box["y"] + box["height"] / 2)
        await expect(tip).to_be_visible()


async def test_few_loans_have_no_charts(loans: Page, service: Served) -> None:
    """Below five a chart says nothing; the table then shows the teasers."""
    job = await submit(loans, service.url, limit=4, max_pages=1)
    await loans.goto(f"{service.url}#job={job}")
    await expect(loans.locator("#rows tr")).to_have_count(4)
    await expect(loans.get_by_role("figure")).to_have_count(0)
    await expect(loans.get_by_role("group", name="Land")).to_be_hidden()
    await expect(loans.locator(".teaser").first).to_be_visible()


async def test_a_filter_that_leaves_few_hides_the_charts(loans: Page) -> None:
    """And they come back with the loans."""
    await loans.get_by_role("searchbox").fill(str((await result_of(loans))[0]["id"]))
    await expect(loans.get_by_role("figure")).to_have_count(0)
    await loans.get_by_role("button", name="Rensa urvalet").click()
    await expect(loans.get_by_role("figure")).to_have_count(3)


async def test_one_loan_is_told_in_the_singular(loans: Page, service: Served) -> None:
    """Neither search nor filters stand in the way of a single loan."""
    job = await submit(loans, service.url, limit=1, max_pages=1)
    await loans.goto(f"{service.url}#job={job}")
    await expect(loans.get_by_role("status").first).to_have_text("Klart: ett lån.")
    await expect(loans.get_by_role("searchbox")).to_be_hidden()
    await expect(loans.locator("#rows tr")).to_have_count(1)


async def test_no_loans_is_an_answer_too(loans: Page, service: Served) -> None:
    """It says that nothing is on offer, and shows no empty table."""
    job = await submit(loans, service.url, page=500)
    await loans.goto(f"{service.url}#job={job}")
    await expect(loans.locator(".result").get_by_role("heading", name="Inga lån ligger ute")).to_be_visible()
    await expect(loans.get_by_role("table", name="Lånen")).to_be_hidden()
    await expect(loans.get_by_text("Nya brukar läggas ut")).to_be_visible()


async def test_downloads(loans: Page) -> None:
    """CSV as a Swedish Excel opens it, Excel, and JSON, with names that tell."""
    for name, start in (("CSV", b"\xef\xbb\xbf"), ("Excel", b"PK"), ("JSON", b"{")):
        async with loans.expect_download() as download:
            await loans.get_by_role("link", name=name, exact=True).click()
        file = await download.value
        body = Path(await file.path()).read_bytes()  # noqa: ASYNC240
        assert body.startswith(start)
        assert file.suggested_filename.startswith("fetch-loans-20")
        if name == "CSV":
            assert b";" in body.splitlines()[0]
        if name == "JSON":
            assert len(json.loads(body)["loans"]) == 80


TOLD = {"since": "2026-01-30T13:10:00Z", "gone": [7, 8]}
UNTOLD = {"loan_to_value": None, "subscribed_per_hour": None}


@pytest.mark.parametrize("told", [True, False])
async def test_what_is_new_and_changed_is_marked(page: Page, service: Served, told: bool) -> None:
    """Where the result tells it; without it there is no empty place for it."""
    job = await submit(page, service.url, limit=6, max_pages=1)

    async def tell(route: Route) -> None:
        answer = await route.fetch()
        body = await answer.json()
        for loan in (body["data"] or {}).get("loans", []):
            loan |= {"loan_to_value": 0.62, "subscribed_per_hour": 180000.4} if told else UNTOLD
        if body["status"] == "success":
            first, second, third = body["data"]["loans"][:3]
            second["state"] = "Öppen"
            third |= {"amount": 100, "subscribed_amount": 100, "funded_fraction": 1}
            changed = [
                {"id": second["id"], "field": "state", "from": "Kommande", "to": "Öppen"},
                {"id": third["id"], "field": "subscribed_amount", "from": 90, "to": 100},
            ]
            body["data"]["changes"] = {**TOLD, "new": [first["id"]], "changed": changed} if told else None
        await route.fulfill(response=answer, json=body)

    await page.route(f"**/api/jobs/{job}", tell)
    await page.route_web_socket("**/ws*", lambda socket: socket.close())
    await page.goto(f"{service.url}#job={job}")
    rows = page.locator("#rows tr")
    await expect(rows).to_have_count(6)
    since = "Sedan 30 jan. 14:10: 1 nytt, 1 fullt, 2 borta, 1 ändrat"
    if told:
        await expect(page.locator("#since")).to_have_text(since)
        await expect(rows.nth(0)).to_contain_text("Nytt")
        await expect(rows.nth(0)).to_contain_text("belåning 62 %")
        await expect(rows.nth(0)).to_contain_text("≈ 180 000 kr/tim")
        await expect(rows.nth(1)).to_contain_text("Förut: status Kommande")
        await expect(rows.nth(2)).to_contain_text("Fullt")
    else:
        await expect(page.locator("#since")).to_be_hidden()
        assert not re.search("Nytt|Förut|Fullt|belåning|≈", await page.locator("#rows").inner_text())


MEASURE = """async () => {
  const rest = () => new Promise((done) => requestAnimationFrame(() => setTimeout(done, 20)));
  const acts = {
    sort: () => document.querySelector("[data-key=rate]").click(),
    title: () => document.querySelector("[data-key=title]").click(),
    filter: () => document.querySelector("[data-openness=full]").click(),
    all: () => document.querySelector("#clear").click(),
  };
  const took = {};
  for (const [name, act] of Object.entries(acts)) {
    await rest();
    const start = performance.now();
    act();
    document.body.getBoundingClientRect();
    took[name] = Math.round(performance.now() - start);
  }
  return took;
}"""


async def test_a_thousand_loans_are_quick(page: Page, many: Served) -> None:
    """Each of sorting, filtering and drawing them takes less than 100 ms, style and layout included."""
    job = await submit(page, many.url, limit=100)
    await page.goto(f"{many.url}#job={job}")
    await page.locator("#rows tr").nth(999).wait_for(state="attached")
    best: dict[str, int] = {}
    for _ in range(5):  # other tests share the machine: the best of five is the page's own time
        took = await page.evaluate(MEASURE)
        best = {name: min(time, best.get(name, time)) for name, time in took.items()}
        if max(best.values()) < 100:
            break
    assert max(best.values()) < 100, best
