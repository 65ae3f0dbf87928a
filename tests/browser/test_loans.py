"""The loans: totals, table, order, search, filters."""

import re

import pytest
from playwright.async_api import Page, expect

from tests.browser.reader import result_of

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


async def column(page: Page, place: int) -> list[str]:
    """The texts of one column, as shown."""
    cells = page.locator(f"#rows tr > :nth-child({place + 1})")
    return [re.sub(r"\s+", " ", text).strip() for text in await cells.all_text_contents()]


async def order(page: Page) -> list[str]:
    """The loans' own numbers, as shown from above; what else a row says may change with the time of day."""
    return [re.findall(r"#\d+", text)[0] for text in await column(page, 0)]


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
    await loans.get_by_role("button", name="Danmark").click()
    before = await order(loans)
    for name in COLUMNS:
        header = loans.get_by_role("columnheader", name=name, exact=True)
        button = header.get_by_role("button")
        for direction in ("ascending", "descending", "none"):
            await button.press("Enter")
            assert await header.get_attribute("aria-sort") == direction
            await expect(button).to_be_focused()
        assert await order(loans) == before


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
    before = await order(loans)
    await loans.reload()
    await expect(loans.locator("#rows tr")).to_have_count(len(before))
    assert await order(loans) == before
    await expect(loans.get_by_role("searchbox")).to_have_value("i")
    await expect(loans.get_by_role("button", name="Sverige")).to_have_attribute("aria-pressed", "true")
