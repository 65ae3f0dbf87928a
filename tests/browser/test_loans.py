"""The loans: totals, table, order, search, filters, charts, downloads."""

import json
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, Route, expect

from tests.browser.processes import Service, sandbox
from tests.browser.reader import fetch, open_page, submit

COLUMNS = [
    "Lån",
    "Belopp",
    "Ränta",
    "Mån",
    "Risk",
    "Tecknat",
    "Kvar",
    "Minst",
    "Öppnar/stänger",
    "Status",
    "Mitt bud",
]


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def many(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Service]:
    """A service on a sandbox with a thousand loans."""
    async with sandbox(pages=84) as settings:
        with Service(tmp_path_factory.mktemp("many"), env=settings) as running:
            yield running


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def fetched(browser: Browser, service: Service) -> AsyncIterator[str]:
    """The address of a finished fetch of 80 loans."""
    async with open_page(browser) as page:
        await fetch(page, service.url)
        yield page.url


@pytest_asyncio.fixture(loop_scope="session")
async def loans(page: Page, fetched: str) -> Page:
    """A page that shows those 80 loans."""
    await page.goto(fetched)
    await page.locator(".result").wait_for(state="visible")
    return page


async def result_of(page: Page) -> list[dict[str, Any]]:
    """The loans as the service gives them."""
    job_id = page.url.partition("#job=")[2]
    origin = page.url.split("/?")[0].split("/#")[0].rstrip("/")
    return list((await (await page.request.get(f"{origin}/api/jobs/{job_id}/result")).json())["loans"])


async def column(page: Page, place: int) -> list[str]:
    """The texts of one column, as shown."""
    cells = page.locator(f"#rows tr > :nth-child({place + 1})")
    return [re.sub(r"\s+", " ", text).strip() for text in await cells.all_text_contents()]


def number(text: str) -> float:
    """`8 250 000 SEK` as a number; a dash is -1, since the unknown comes last downwards."""
    digits = re.sub(r"[^\d,]", "", text).replace(",", ".")
    return float(digits) if digits else -1


async def test_totals_are_by_currency(loans: Page) -> None:
    """Cards tell how many loans, the sum sought, the sum left and the mean rate, for each currency."""
    rows = await result_of(loans)
    for country, currency in (("Sverige", "SEK"), ("Danmark", "DKK")):
        own = [row for row in rows if row["currency"] == currency]
        card = loans.locator(".total", has=loans.get_by_role("heading", name=f"{country}, {currency}"))
        await expect(card).to_contain_text(f"{len(own)} lån")
        texts = await card.get_by_role("definition").all_text_contents()
        sought = sum(row["amount"] for row in own)
        known = [row for row in own if row["subscribed_amount"] is not None]
        left = sum(max(0, row["amount"] - row["subscribed_amount"]) for row in known)
        rate = sum(row["amount"] * (row["interest_rate"] or 0) for row in own) / sum(
            row["amount"] for row in own if row["interest_rate"] is not None
        )
        found = [number(text) for text in texts]
        assert found == pytest.approx([sought / 1e6, left / 1e6, rate], rel=0.005)


async def test_the_table_has_every_column(loans: Page) -> None:
    """Each is a header with a button to sort by."""
    table = loans.get_by_role("table", name="Lånen")
    assert await table.get_by_role("columnheader").all_text_contents() == COLUMNS
    for name in COLUMNS:
        await expect(table.get_by_role("button", name=name, exact=True)).to_be_visible()


async def test_a_row_tells_the_loan(loans: Page) -> None:
    """Title with link, amount, rate, months, risk, how full, what is left, least, when, state."""
    loan = next(
        row
        for row in await result_of(loans)
        if row["closes_at"] and row["subscribed_amount"] and row["risk_score"]
    )
    row = loans.locator("#rows tr", has_text=f"#{loan['id']}")
    link = row.get_by_role("link", name=loan["title"])
    assert await link.get_attribute("href") == loan["url"]
    assert "noopener" in (await link.get_attribute("rel") or "")
    texts = [re.sub(r"\s+", " ", text) for text in await row.get_by_role("cell").all_text_contents()]
    assert number(texts[0]) == loan["amount"]
    assert texts[0].endswith(loan["currency"])
    assert number(texts[1]) == loan["interest_rate"]
    assert texts[2:4] == [str(loan["duration_months"]), loan["risk_score"]]
    assert texts[4] == f"{int(loan['funded_fraction'] * 100 + 1e-9)} %"
    assert number(texts[5]) == max(0, loan["amount"] - loan["subscribed_amount"])
    assert re.match(r"(öppnar|stänger) om \d+ \w+|stängde för \d+ \w+", texts[7])
    assert texts[8] == loan["state"]


async def test_times_are_those_of_stockholm(loans: Page) -> None:
    """A reader in New York sees when a loan closes in Sweden."""
    loan = next(
        row
        for row in await result_of(loans)
        if row["closes_at"] and row["closes_at"].endswith(("21:59:00Z", "22:59:00Z"))
    )
    await expect(loans.locator("#rows tr", has_text=f"#{loan['id']}")).to_contain_text("23:59")


NUMBERS = {"Belopp": 1, "Ränta": 2, "Mån": 3, "Kvar": 6, "Minst": 7}


async def test_numbers_sort_both_ways(loans: Page) -> None:
    """A header's button sorts upwards, then downwards, and `aria-sort` tells."""
    for name, place in NUMBERS.items():
        header = loans.get_by_role("columnheader", name=name)
        for direction, sign in (("ascending", 1), ("descending", -1)):
            await header.get_by_role("button").click()
            assert await header.get_attribute("aria-sort") == direction
            values = [value for text in await column(loans, place) if (value := number(text)) >= 0]
            assert values == sorted(values, reverse=sign < 0)
        assert len(set(values)) > 1 or name == "Minst"


async def test_every_column_sorts_and_gives_the_order_back(loans: Page) -> None:
    """A third press gives the listing's own order back, and the button keeps the focus throughout."""
    before = await column(loans, 0)
    for name in COLUMNS:
        header = loans.get_by_role("columnheader", name=name, exact=True)
        button = header.get_by_role("button")
        for direction in ("ascending", "descending", "none"):
            await button.click()
            assert await header.get_attribute("aria-sort") == direction
            await expect(button).to_be_focused()
        assert await column(loans, 0) == before


async def test_search_narrows_as_one_types(loans: Page) -> None:
    """The searchbox leaves the loans that have the words, tells how many, and keeps the focus."""
    search = loans.get_by_role("searchbox", name="Sök bland lånen")
    await search.press_sequentially("malmö")
    titles = await column(loans, 0)
    assert 0 < len(titles) < 80
    assert all("malmö" in title.lower() for title in titles)
    await expect(loans.locator("#showing")).to_have_text(f"{len(titles)} av 80 lån")
    await expect(search).to_be_focused()
    await loans.get_by_role("button", name="Rensa urvalet").click()
    await expect(loans.locator("#rows tr")).to_have_count(80)


async def test_a_search_without_a_hit_says_so(loans: Page) -> None:
    """An empty table is no answer."""
    await loans.get_by_role("searchbox").fill("xyzzy")
    await expect(loans.get_by_text("Inget lån passar urvalet.")).to_be_visible()
    await expect(loans.get_by_role("table", name="Lånen")).to_be_hidden()


async def test_filters_by_country_risk_and_openness(loans: Page) -> None:
    """Buttons that are pressed or not; each leaves only what fits, and totals and charts follow."""
    rows = await result_of(loans)
    await loans.get_by_role("group", name="Land").get_by_role("button", name="Danmark").click()
    danish = [row for row in rows if row["country"] == "DK"]
    await expect(loans.locator("#rows tr")).to_have_count(len(danish))
    await expect(loans.locator(".total")).to_have_count(1)
    await expect(loans.locator("#chart-scatter circle")).to_have_count(
        sum(row["interest_rate"] is not None and row["duration_months"] is not None for row in danish)
    )
    risk = next(row["risk_score"] for row in danish if row["risk_score"])
    button = loans.get_by_role("group", name="Riskklass").get_by_role("button", name=risk, exact=True)
    await button.click()
    assert await button.get_attribute("aria-pressed") == "true"
    fitting = [row for row in danish if row["risk_score"] == risk]
    await expect(loans.locator("#rows tr")).to_have_count(len(fitting))
    await loans.get_by_role("button", name="Rensa urvalet").click()
    await loans.get_by_role("button", name="Fulla").click()
    await expect(loans.locator("#rows tr")).to_have_count(
        sum((row["funded_fraction"] or 0) >= 1 for row in rows)
    )


async def test_filters_by_rate_and_length(loans: Page) -> None:
    """From and to, either may be left empty."""
    rows = await result_of(loans)
    rate = loans.get_by_role("group", name="Ränta, %")
    await rate.get_by_label("från").fill("9")
    await rate.get_by_label("till").fill("11")
    fitting = [row for row in rows if row["interest_rate"] is not None and 9 <= row["interest_rate"] <= 11]
    await expect(loans.locator("#rows tr")).to_have_count(len(fitting))
    await loans.get_by_role("group", name="Månader").get_by_label("till").fill("12")
    fitting = [row for row in fitting if row["duration_months"] is not None and row["duration_months"] <= 12]
    await expect(loans.locator("#rows tr")).to_have_count(len(fitting))


async def test_order_and_filters_are_in_the_address(loans: Page) -> None:
    """A reload, or a friend who gets the address, sees the same."""
    await loans.get_by_role("searchbox").fill("i")
    await loans.get_by_role("button", name="Sverige").click()
    await loans.get_by_role("columnheader", name="Ränta").get_by_role("button").dblclick()
    await loans.wait_for_url("**sort=-rate**")
    assert "q=i&country=SE&sort=-rate#job=" in loans.url
    before = await column(loans, 0)
    await loans.reload()
    await expect(loans.locator("#rows tr")).to_have_count(len(before))
    assert await column(loans, 0) == before
    await expect(loans.get_by_role("searchbox")).to_have_value("i")
    await expect(loans.get_by_role("button", name="Sverige")).to_have_attribute("aria-pressed", "true")


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


async def test_few_loans_have_no_charts(page: Page, service: Service) -> None:
    """Below five a chart says nothing; the table then shows the teasers."""
    job = await submit(page, service.url, limit=4, max_pages=1)
    await page.goto(f"{service.url}#job={job}")
    await expect(page.locator("#rows tr")).to_have_count(4)
    await expect(page.get_by_role("figure")).to_have_count(0)
    await expect(page.get_by_role("group", name="Land")).to_be_hidden()
    await expect(page.locator(".teaser").first).to_be_visible()


async def test_a_filter_that_leaves_few_hides_the_charts(loans: Page) -> None:
    """And they come back with the loans."""
    await loans.get_by_role("searchbox").fill(str((await result_of(loans))[0]["id"]))
    await expect(loans.get_by_role("figure")).to_have_count(0)
    await loans.get_by_role("button", name="Rensa urvalet").click()
    await expect(loans.get_by_role("figure")).to_have_count(3)


async def test_one_loan_is_told_in_the_singular(page: Page, service: Service) -> None:
    """Neither search nor filters stand in the way of a single loan."""
    job = await submit(page, service.url, limit=1, max_pages=1)
    await page.goto(f"{service.url}#job={job}")
    await expect(page.get_by_role("status").first).to_have_text("Klart: ett lån.")
    await expect(page.get_by_role("searchbox")).to_be_hidden()
    await expect(page.locator("#rows tr")).to_have_count(1)


async def test_no_loans_is_an_answer_too(page: Page, service: Service) -> None:
    """It says that nothing is on offer, and shows no empty table."""
    job = await submit(page, service.url, page=500)
    await page.goto(f"{service.url}#job={job}")
    await expect(page.locator(".result").get_by_role("heading", name="Inga lån ligger ute")).to_be_visible()
    await expect(page.get_by_role("table", name="Lånen")).to_be_hidden()
    await expect(page.get_by_text("Nya brukar läggas ut")).to_be_visible()


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
async def test_what_is_new_and_changed_is_marked(page: Page, service: Service, told: bool) -> None:
    """Where the result tells it; without it there is no empty place for it."""
    job = await submit(page, service.url, limit=6, max_pages=1)

    async def tell(route: Route) -> None:
        answer = await route.fetch()
        body = await answer.json()
        for loan in (body["data"] or {}).get("loans", []):
            loan |= {"loan_to_value": 0.62, "subscribed_per_hour": 180000.4} if told else UNTOLD
        if body["status"] == "success":
            first, second = body["data"]["loans"][:2]
            changed = {"id": second["id"], "field": "state", "from": "a", "to": "b"}
            body["data"]["changes"] = {**TOLD, "new": [first["id"]], "changed": [changed]} if told else None
        await route.fulfill(response=answer, json=body)

    await page.route(f"**/api/jobs/{job}", tell)
    await page.route_web_socket("**/ws*", lambda socket: socket.close())
    await page.goto(f"{service.url}#job={job}")
    rows = page.locator("#rows tr")
    await expect(rows).to_have_count(6)
    if told:
        await expect(page.locator("#since")).to_have_text("Sedan 30 jan. 14:10: 1 nytt, 2 borta, 1 ändrat")
        await expect(rows.nth(0)).to_contain_text("Nytt")
        await expect(rows.nth(0)).to_contain_text("belåning 62 %")
        await expect(rows.nth(0)).to_contain_text("≈ 180 000")
        await expect(rows.nth(1)).to_contain_text("Ändrat")
    else:
        await expect(page.locator("#since")).to_be_hidden()
        assert not re.search("Nytt|Ändrat|belåning|≈", await page.locator("#rows").inner_text())


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


async def test_a_thousand_loans_are_quick(page: Page, many: Service) -> None:
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
