"""The archive: changes between fetches, first sights, speeds, history."""

from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kameo_async.kameo.archive import Visit
from kameo_async.kameo.archive.changes import Changes, Seen, seen
from kameo_async.kameo.archive.sqlite import SqliteDatabase
from kameo_async.kameo.archive.visit import remember
from kameo_async.kameo.loan import Loan
from tests.archived import HOUR, Fetches, ago, fetches, loan, postgres_fetches
from tests.clock import FakeClock
from tests.postgres.server import Server, server

__all__ = ["server"]

STEP = 58_000_000
KEPT = ["sqlite", pytest.param("postgres", marks=pytest.mark.database)]


@pytest.fixture(scope="module")
def database(server: Server) -> Iterator[str]:
    """A database for all tests of this file, each of which has a source of its own."""
    with server.lent() as url:
        yield url


@asynccontextmanager
async def archive_in(kept: str, request: pytest.FixtureRequest) -> AsyncIterator[Fetches]:
    """An archive in memory, or one in PostgreSQL."""
    is_shared = kept == "postgres"
    opened = postgres_fetches(request.getfixturevalue("database")) if is_shared else fetches(None)
    async with opened as fetch:
        yield fetch


@pytest.fixture(params=KEPT)
async def fetch(request: pytest.FixtureRequest) -> AsyncIterator[Fetches]:
    """An archive of each sort."""
    async with archive_in(request.param, request) as opened:
        yield opened


def told(changes: Changes) -> list[tuple[int, str, Any, Any]]:
    """What changed, in short."""
    return [(one.id, one.field, one.before, one.after) for one in changes.changed]


async def test_the_first_fetch_has_nothing_to_compare_with(fetch: Fetches) -> None:
    """At first `since` is null, and no loan is called new."""
    assert (await fetch(loan(1))).changes == Changes(since=None)


async def test_changes_since_the_last_fetch(fetch: Fetches) -> None:
    """New loans, those no longer listed, and each changed field with both values."""
    await fetch(loan(1, 100), loan(2), loan(3, annual_interest_rate=8))
    changes = (await fetch(loan(4), loan(1, 150), loan(3, annual_interest_rate=8.25))).changes
    assert changes.since == ago(fetch.clock, HOUR)
    assert (changes.new, changes.gone) == ((4,), (2,))
    assert told(changes) == [
        (1, "subscribed_amount", Decimal(100), Decimal(150)),
        (3, "interest_rate", Decimal(8), Decimal("8.25")),
    ]


@pytest.mark.parametrize(
    ("field", "wire", "value"),
    [
        ("title", {"title": "Other"}, "Other"),
        ("amount", {"application_amount": 2000}, Decimal(2000)),
        ("duration_months", {"duration_in_months": 9}, 9),
        ("risk_score", {"risk_score": "C"}, "C"),
        ("min_amount", {"min_amount": 1000}, Decimal(1000)),
        ("state", {"subscription_state": {"status_text_localized": "Full"}}, "Full"),
        ("teaser", {"teaser": "#1 | x"}, "#1 | x"),
        (
            "opens_at",
            {"subscription_starts_at": "2026-02-01T12:00:00+02:00"},
            datetime(2026, 2, 1, 10, tzinfo=UTC),
        ),
        (
            "closes_at",
            {"subscription_ends_at": "2026-02-01T12:00:00.5Z"},
            datetime(2026, 2, 1, 12, 0, 0, 500_000, UTC),
        ),
    ],
)
async def test_what_a_lender_cares_about_counts(
    fetch: Fetches, field: str, wire: dict[str, Any], value: object
) -> None:
    """Each of these fields counts as a change, there and back."""
    await fetch(loan(1))
    [change] = (await fetch(loan(1, **wire))).changes.changed
    assert (change.field, change.after) == (field, value)
    [change] = (await fetch(loan(1))).changes.changed
    assert (change.field, change.before) == (field, value)


async def test_what_says_nothing_does_not_count(fetch: Fetches) -> None:
    """A new picture, the account's own bid, or 8.5 as 8.50 is no change."""
    await fetch(loan(1, annual_interest_rate=8.5))
    again = loan(1, image="https://x.example/1", my_bid_amount=500, is_listed=1, annual_interest_rate=8.5)
    again.__dict__["interest_rate"] = Decimal("8.50")
    assert not (await fetch(again)).changes
    assert len(await fetch.history()) == 1


@pytest.mark.parametrize("text", ["0.10", "12345678901234567.10", "9223372036854775808", "-0", "1E+3", "-5"])
async def test_numbers_keep_their_digits(fetch: Fetches, text: str) -> None:
    """A number comes back with the digits that it had."""
    one = loan(1)
    one.__dict__["subscribed_amount"] = Decimal(text)
    await fetch(one)
    [change] = (await fetch(loan(1, 7))).changes.changed
    assert str(change.before) == text


async def test_some_pages_make_no_loan_gone(fetch: Fetches) -> None:
    """A fetch of some pages tells what is new and changed there, and forgets nothing."""
    await fetch(loan(1), loan(2))
    changes = (await fetch(loan(1, 5), loan(3), whole=False)).changes
    assert (changes.new, changes.gone, len(changes.changed)) == ((3,), (), 1)
    changes = (await fetch(loan(1, 5), loan(3))).changes
    assert (changes.since, changes.gone) == (ago(fetch.clock, HOUR), (2,))
    assert not changes.new


async def test_other_countries_are_compared_apart(fetch: Fetches) -> None:
    """Each set of countries, in any order, has its own last fetch."""
    await fetch(loan(1), countries=("SE", "DK"))
    assert (await fetch(loan(1, 5), countries=("NO",))).changes == Changes(since=None)
    changes = (await fetch(loan(1, 5), countries=("DK", "SE"))).changes
    assert changes.since == ago(fetch.clock, 2 * HOUR)
    assert told(changes) == [(1, "subscribed_amount", Decimal(0), Decimal(5))]
    assert not (await fetch(loan(1, 5), countries=("NO",))).changes


async def test_a_loan_that_could_not_be_read_is_not_gone(fetch: Fetches) -> None:
    """A broken loan is still listed."""
    await fetch(loan(1), loan(2))
    assert not (await fetch(loan(1), unread=frozenset({2}))).changes
    assert not (await fetch(loan(1), loan(2))).changes


async def test_a_loan_that_comes_back_is_new_but_first_seen_then(fetch: Fetches) -> None:
    """Gone and back: new, with the time of its first sight."""
    await fetch(loan(1))
    first = fetch.clock.now()
    await fetch()
    memory = await fetch(loan(1))
    assert memory.changes.new == (1,)
    assert memory.pasts[1].first_seen_at == first


# Speed


async def test_no_speed_on_first_sight(fetch: Fetches) -> None:
    """A loan never seen before is first seen now, and has no speed."""
    past = (await fetch(loan(1, 500))).pasts[1]
    assert past == (fetch.clock.now(), None)


@pytest.mark.parametrize(("after", "speed"), [(HOUR, "400.00"), (HOUR / 2, "800.00"), (4 * HOUR, "100.00")])
async def test_speed_between_two_fetches(fetch: Fetches, after: float, speed: str) -> None:
    """What came since the last look, by the hour."""
    await fetch(loan(1, 100))
    assert str((await fetch(loan(1, 500), after=after)).pasts[1].subscribed_per_hour) == speed


async def test_speed_over_the_last_hour(fetch: Fetches) -> None:
    """Of many looks only the last hour's counts, however slow or fast it was before."""
    for amount in (0, 9000, 9000, 9000, 9100, 9200, 9300, 9400):
        memory = await fetch(loan(1, amount), after=HOUR / 4)
    assert memory.pasts[1].subscribed_per_hour == 400


async def test_speed_after_a_long_rest(fetch: Fetches) -> None:
    """Looks that saw nothing new count too: what starts now did not fill slowly all night."""
    for _ in range(10):
        await fetch(loan(1, 0))
    assert (await fetch(loan(1, 6000), after=HOUR / 2)).pasts[1].subscribed_per_hour == 6000


async def test_only_whole_looks_of_its_country_count(fetch: Fetches) -> None:
    """A fetch that may have left the loan out says nothing of its speed."""
    await fetch(loan(1, 0))
    await fetch(countries=("NO",), after=2 * HOUR)
    await fetch(whole=False, after=HOUR)
    assert (await fetch(loan(1, 900), after=2 * HOUR)).pasts[1].subscribed_per_hour == 180


async def test_speed_without_time_or_amounts(fetch: Fetches) -> None:
    """No time passed, the clock went back, no amount: no speed. A loan that rests has speed 0."""
    await fetch(loan(1, 0))
    assert (await fetch(loan(1, 5), after=0)).pasts[1].subscribed_per_hour is None
    assert (await fetch(loan(1, 5), after=-HOUR)).pasts[1].subscribed_per_hour is None
    assert (await fetch(loan(1, None), after=3 * HOUR)).pasts[1].subscribed_per_hour is None
    assert (await fetch(loan(2, 5))).pasts[2].subscribed_per_hour is None
    assert (await fetch(loan(2, 5))).pasts[2].subscribed_per_hour == 0
    assert (await fetch(loan(2, 2))).pasts[2].subscribed_per_hour == -3


class Counted(SqliteDatabase):
    """Counts the rows that are read."""

    rows = 0

    def query(self, statement: str, *values: Any) -> list[tuple[Any, ...]]:
        found = super().query(statement, *values)
        self.rows += len(found)
        return found


def test_what_a_fetch_reads_does_not_grow_with_the_fetches_before() -> None:
    """After a busy hour a fetch reads as many rows as the second one did."""
    clock, database = FakeClock(), Counted.open(None, FakeClock().now())
    visit, read = Visit(("SE", "DK"), [loan(1), loan(2)], is_whole=True), []
    for _ in range(30):
        clock.jump(60)
        before = database.rows
        remember(database, visit, clock.now())
        read.append(database.rows - before)
    database.close()
    assert set(read[1:]) == {read[1]}


# History


async def test_history_tells_each_change_once(fetch: Fetches) -> None:
    """A row when a loan is first seen and whenever it differs, oldest first."""
    for amount in (0, 0, 500, 500, 500):
        await fetch(loan(2, amount), loan(1))
    start = fetch.clock.now()
    await fetch(loan(1, subscription_state={"status_text_localized": "Full"}), loan(2, 500))
    rows = await fetch.history()
    assert [(one.loan_id, one.subscribed_amount, one.state) for one in rows] == [
        (1, Decimal(0), "Open"),
        (2, Decimal(0), "Open"),
        (2, Decimal(500), "Open"),
        (1, Decimal(0), "Full"),
    ]
    assert [one.loan_id for one in await fetch.history(ids=[2])] == [2, 2]
    assert [one.state for one in await fetch.history(start=start)] == ["Full"]
    assert await fetch.history(ids=[3]) == []


async def test_history_ends_are_inclusive(fetch: Fetches) -> None:
    """A row's own time as start and end finds that row, also with parts of a millisecond."""
    fetch.clock.jump(0.0123456)
    for amount in range(3):
        await fetch(loan(1, amount), after=0.5)
    rows = await fetch.history()
    at = rows[1].seen_at
    assert await fetch.history(start=at, end=at) == [rows[1]]
    assert await fetch.history(start=fetch.clock.now()) == []


async def test_history_is_bounded(fetch: Fetches) -> None:
    """Beyond the limit the oldest are left out."""
    for amount in range(5):
        await fetch(loan(1, amount))
    assert [one.subscribed_amount for one in await fetch.history(limit=2)] == [3, 4]


# Properties


def fold(before: Mapping[int, Seen], changes: Changes, listed: Mapping[int, Seen]) -> dict[int, Seen]:
    """The snapshot that changes lead to; what is new is taken from the listing."""
    after = {id_: one for id_, one in before.items() if id_ not in changes.gone}
    for change in changes.changed:
        assert getattr(after[change.id], change.field) == change.before
        moved: dict[str, Any] = {change.field: change.after}
        after[change.id] = after[change.id]._replace(**moved)
    assert not after.keys() & set(changes.new)
    return after | {id_: listed[id_] for id_ in changes.new}


LOANS = {
    (number, amount, state): loan(number, amount, subscription_state={"status_text_localized": state})
    for number in range(4)
    for amount in (None, 0, 500.25)
    for state in ("Open", None)
}
LISTINGS = st.lists(st.sampled_from(list(LOANS.values())), unique_by=lambda one: one.id)
ROUNDS = st.lists(st.tuples(LISTINGS, st.booleans(), st.sampled_from([("SE",), ("SE", "DK")])), max_size=8)


@pytest.mark.parametrize("kept", KEPT)
@settings(deadline=None, max_examples=40)
@given(rounds=ROUNDS)
async def test_changes_fold_to_the_last_snapshot(
    request: pytest.FixtureRequest, kept: str, rounds: list[tuple[list[Loan], bool, tuple[str, ...]]]
) -> None:
    """All changes folded over the first snapshot give the last one, for each set of countries."""
    known: dict[tuple[str, ...], dict[int, Seen]] = {}
    folded: dict[tuple[str, ...], dict[int, Seen]] = {}
    async with archive_in(kept, request) as fetch:
        for loans, whole, countries in rounds:
            listed = {one.id: seen(one) for one in loans}
            memory = await fetch(*loans, countries=countries, whole=whole)
            if countries in known:
                folded[countries] = fold(folded[countries], memory.changes, listed)
                known[countries] = ({} if whole else known[countries]) | listed
            else:
                known[countries] = folded[countries] = listed
            assert folded[countries] == known[countries]


@pytest.mark.parametrize("kept", KEPT)
@settings(deadline=None, max_examples=40)
@given(rounds=ROUNDS)
async def test_history_ends_with_what_was_seen_last(
    request: pytest.FixtureRequest, kept: str, rounds: list[tuple[list[Loan], bool, Any]]
) -> None:
    """The last row of a loan is as it was last listed, and no row repeats the one before."""
    last: dict[int, tuple[Any, ...]] = {}
    async with archive_in(kept, request) as fetch:
        for loans, whole, countries in rounds:
            last |= {one.id: (one.subscribed_amount, one.state) for one in loans}
            await fetch(*loans, countries=countries, whole=whole)
        rows: dict[int, list[tuple[Any, ...]]] = {}
        for one in await fetch.history():
            rows.setdefault(one.loan_id, []).append((one.subscribed_amount, one.state))
    assert {id_: ones[-1] for id_, ones in rows.items()} == last
    assert all(one != following for ones in rows.values() for one, following in pairwise(ones))


async def test_a_thousand_loans_at_once(fetch: Fetches) -> None:
    """More loans than fit into one statement."""
    listing = [loan(number) for number in range(1001)]
    await fetch(*listing)
    memory = await fetch(*listing[:-1], loan(1000, 5))
    assert [one.id for one in memory.changes.changed] == [1000]
    assert len(memory.pasts) == 1001


async def test_a_code_is_used_once(fetch: Fetches) -> None:
    """Nor is an older one, but for one of a clock that was wrong; each account has its own."""
    use = fetch.archive.use_code
    assert [await use("a", step) for step in (STEP, STEP, STEP - 1, STEP + 1)] == [True, False, False, True]
    assert await use("b", STEP)
    assert await use("a", STEP + 1_000_000)
    assert [await use("a", STEP + 2), await use("a", STEP + 2)] == [True, False]


async def test_it_is_there_after_a_restart(tmp_path: Path) -> None:
    """Another process finds what the last one saw."""
    path, clock = tmp_path / "a.sqlite3", FakeClock()
    async with fetches(path, clock) as fetch:
        await fetch(loan(1))
    async with fetches(path, clock) as fetch:
        assert (await fetch(loan(2))).changes == Changes(since=ago(clock, HOUR), new=(2,), gone=(1,))
        assert (await fetch.archive.remember(Visit(("SE", "DK"), [], is_whole=True))).changes.gone == (2,)
