"""The sandbox's loans: which there are, how they read, and how they change with time."""

import re
from datetime import datetime, timedelta
from typing import Any

import pytest

from kameo_async.sandbox import SandboxOptions
from kameo_async.sandbox.data import LISTED_FOR, Market, Row
from tests.sandbox_visitor import NOW, visiting

ALL = ("SE", "NO", "DK")
TYPES: dict[str, type | tuple[type, ...]] = {
    "title": str,
    "teaser": str,
    "image": str,
    "loan_application_id": int,
    "application_amount": int,
    "annual_interest_rate": (int, float),
    "duration_in_months": int,
    "is_listed": int,
    "available_kiis_languages": str,
    "risk_score": str,
    "subscribed_amount": int,
    "subscription_state": dict,
    "listing_date": str,
    "subscription_starts_at": str,
    "subscription_ends_at": str,
    "allocation_type_id": int,
    "book_building_duration": int,
    "currency": str,
    "min_amount": int,
    "underwriter_state": int,
    "fully_funded_state": int,
    "my_bid_amount": int,
}
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\+0[12]:00|\.000000Z)")


def rows(at: datetime = NOW, seed: int = 4711, pages: int = 7, countries: tuple[str, ...] = ALL) -> list[Row]:
    """The whole listing at a time."""
    market = Market(seed, pages)
    return market.rows(market.listed(at, countries), at)


def life(number: int, hours: range) -> list[Row]:
    """A loan of the usual seed, hour by hour after NOW."""
    return [Market(4711, 7).rows([number], NOW + timedelta(hours=hour))[0] for hour in hours]


def whole(found: list[Row]) -> list[Row]:
    """Those that lack nothing."""
    return [row for row in found if len([value for value in row.values() if value is not None]) == len(TYPES)]


def test_fields_are_those_of_the_wire() -> None:
    """Every field is one of the wire's, of its type; the three that must be there are."""
    for row in rows(pages=40):
        assert row.keys() <= TYPES.keys()
        assert all(
            row.get(name) is not None for name in ("loan_application_id", "title", "application_amount")
        )
        assert all(isinstance(value, TYPES[name]) for name, value in row.items() if value is not None)


def test_some_fields_are_missing_or_null() -> None:
    """Some loans lack a field, some have null in one, most are whole."""
    found = rows(pages=40)
    missing = [row for row in found if len(row) < len(TYPES)]
    null = [row for row in found if None in row.values()]
    assert missing
    assert null
    assert len(whole(found)) > len(found) * 0.7


def test_times_are_written_in_both_ways() -> None:
    """Times have an offset or are UTC with microseconds; a loan is listed, then opens, then closes."""
    found = whole(rows())
    names = ("listing_date", "subscription_starts_at", "subscription_ends_at")
    texts = [[row[name] for name in names] for row in found]
    assert all(TIME.fullmatch(text) for times in texts for text in times)
    assert {times[0].endswith("Z") for times in texts} == {True, False}
    assert all(sorted(times, key=datetime.fromisoformat) == times for times in texts)


def test_loans_are_plausible() -> None:
    """States 11 and 30 are seen, rates are whole or not, some loans are oversubscribed, languages fit."""
    found = whole(rows())
    assert {row["subscription_state"]["state_id"] for row in found} >= {11, 30}
    assert {type(row["annual_interest_rate"]) for row in found} == {int, float}
    assert any(row["subscribed_amount"] > row["application_amount"] for row in found)
    verbs = {
        "SEK": "söker finansiering till",
        "NOK": "søker finansiering til ",
        "DKK": "søger finansiering til ",
    }
    assert all(verbs[row["currency"]] in row["title"] for row in found)
    assert all(row["teaser"].startswith(f"#{row['loan_application_id']} | ") for row in found)
    assert any(re.search(r"värderade till totalt SEK \d+ \d{3} \d{3}$", row["teaser"]) for row in found)


@pytest.mark.parametrize("pages", [1, 2, 7, 300])
@pytest.mark.parametrize("hours", [0, 1, 1000])
def test_size_of_the_listing(pages: int, hours: int) -> None:
    """SE and DK fill exactly so many pages of 12 at any time, NO adds some, and no loan is there twice."""
    market = Market(1, pages)
    at = NOW + timedelta(hours=hours)
    nordic = market.listed(at, ("SE", "DK"))
    assert -(-len(nordic) // 12) == pages
    assert len({*market.listed(at, ALL)}) == len(nordic) + len(market.listed(at, ("NO",))) > len(nordic)


def test_same_seed_and_time_give_the_same_loans() -> None:
    """The listing follows from seed and time alone."""
    assert rows() == rows()
    assert rows() != rows(seed=4712)
    assert rows() != rows(at=NOW + timedelta(hours=1))


def test_times_before_the_first_loan() -> None:
    """Long ago the listing was as long as now."""
    long_ago = NOW - timedelta(days=10_000)
    assert len(rows(at=long_ago)) == len(rows())


def test_new_loans_come_and_old_ones_leave() -> None:
    """After as long as a loan is listed, every one is new; a day changes some."""
    ids = [
        {row["loan_application_id"] for row in rows(at=NOW + after)}
        for after in (timedelta(), timedelta(1), LISTED_FOR)
    ]
    assert ids[0] & ids[1]
    assert ids[1] - ids[0]
    assert not ids[0] & ids[2]


def test_a_loan_opens_fills_and_closes() -> None:
    """A loan's states follow each other, its subscriptions only grow, and at the end it is not listed."""
    newest = max(Market(4711, 7).listed(NOW, ALL))
    course = life(newest, range(240))
    states = [row["subscription_state"]["state_id"] for row in course]
    amounts = [row["subscribed_amount"] for row in course]
    assert sorted(set(states), key=states.index) in ([11, 20, 30, 40], [11, 20, 25, 30, 40])
    assert states == sorted(states)
    assert amounts == sorted(amounts)
    assert amounts[0] < amounts[-1]
    assert (course[0]["is_listed"], course[-1]["is_listed"]) == (1, 0)


def test_what_is_fixed_stays() -> None:
    """While a loan changes, its terms do not."""
    moving = {"is_listed", "subscribed_amount", "subscription_state", "fully_funded_state", "my_bid_amount"}
    market = Market(4711, 7)
    for number in market.listed(NOW, ALL):
        terms: list[dict[str, Any]] = [
            {name: value for name, value in row.items() if name not in moving}
            for row in life(number, range(0, 240, 48))
        ]
        assert all(other == terms[0] for other in terms)


@pytest.mark.parametrize(("pace", "hours"), [(1.0, 1 / 60), (600.0, 10.0), (0.0, 0.0)])
async def test_pace(pace: float, hours: float) -> None:
    """In a minute of ours `pace` minutes pass in the sandbox."""
    async with visiting(SandboxOptions(latency=(0, 0), pace=pace)) as visitor:
        await visitor.log_in()
        await visitor.clock.advance(60)
        seen = (await visitor.page(limit=100))["investment_options"]
        assert seen == rows(at=NOW + timedelta(hours=hours), countries=("SE", "DK"))


async def test_old_shape() -> None:
    """In the older shape the loans are the data, and nothing tells of pages."""
    async with visiting(SandboxOptions(latency=(0, 0), pace=0, old_shape=True)) as visitor:
        await visitor.log_in()
        assert await visitor.page(7) == rows(countries=("SE", "DK"))[72:]
        assert await visitor.page(8) == []


async def test_the_wall_clock_may_jump() -> None:
    """A jump of the wall clock moves no loan."""
    async with visiting(SandboxOptions(latency=(0, 0))) as visitor:
        await visitor.log_in()
        before = await visitor.page()
        visitor.clock.jump(86_400)
        assert await visitor.page() == before
