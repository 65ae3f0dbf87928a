"""The quick way to read and to write loans gives what the thorough way gives."""

import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, ClassVar

from hypothesis import example, given
from hypothesis import strategies as st

from kameo_async.jobs.document import encode
from kameo_async.kameo.archive.changes import Changes, LoanChange
from kameo_async.kameo.errors import UpstreamInvalidError
from kameo_async.kameo.models import ListingPage, read_page
from kameo_async.kameo.rows import read_usual
from kameo_async.kinds.loan_fetch import LoanFetchResult
from kameo_async.sandbox.data import Market

SITE = "https://www.kameo.se"
NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)

# As JSON literals, since what is told apart lies in how a value is written.
NUMBERS = st.one_of(
    st.integers(-(2**65), 2**65).map(str),
    st.sampled_from(
        ("0", "-0", "10", "8.5", "8.50", "1e3", "1E+17", "1e18", "0.1e-9", "-0.0", "1e400", "5.0")
    ),
    st.decimals(-1000, 10**19, places=3).map(str),
)
TIMES = st.one_of(
    st.datetimes(timezones=st.timezones()).map(lambda time: json.dumps(time.isoformat())),
    st.sampled_from(
        (
            '"2025-07-07T11:11:55+02:00"',
            '"2025-07-15T12:16:09.000000Z"',
            '"2025-07-15T12:16:09.1234567Z"',
            '"2025-07-15 12:16:09Z"',
            '"2025-07-15T12:16:09"',
            '"2025-07-15T12:16Z"',
            '"0001-01-01T00:00:00+02:00"',
            '"9999-12-31T23:59:59-02:00"',
            "1752581769",
        )
    ),
)
TEXTS = st.one_of(
    st.text(max_size=9).map(json.dumps),
    st.sampled_from(
        (
            r'"\ud800"',
            r'"\ud83d\ude00"',
            '"SEK"',
            '"NOK"',
            '"https://cdn.example/1.jpg"',
            '"ftp://x"',
            '"#1 | Fastigheterna är värderade till totalt SEK 31 000 000"',
            '"värderad till SEK 1 000 000 000 000 000 001"',
            '"värderad till SEK 1' + " 000" * 10 + '"',
        )
    ),
)
STATES = st.one_of(
    st.sampled_from(
        ("{}", '{"state_id": 30, "status_text_localized": "Tilldelning"}', '{"state_id": "x"}', "[]")
    )
)
ODD = st.sampled_from(("null", "true", '"5"', "[]", "{}", "1.5", "NaN", "Infinity", '""'))
FIELDS = {
    "loan_application_id": st.integers(-1, 2**64).map(str),
    "title": TEXTS,
    "application_amount": NUMBERS,
    "currency": TEXTS,
    "annual_interest_rate": NUMBERS,
    "duration_in_months": NUMBERS,
    "subscribed_amount": NUMBERS,
    "min_amount": NUMBERS,
    "is_listed": NUMBERS,
    "subscription_state": STATES,
    "listing_date": TIMES,
    "subscription_ends_at": TIMES,
    "teaser": TEXTS,
    "image": TEXTS,
    "url": TEXTS,
    "country": TEXTS,
    "amount": NUMBERS,
}
SOUND = {
    "loan_application_id": "4711",
    "title": '"Radhus"',
    "application_amount": "12500000",
    "currency": '"SEK"',
    "subscribed_amount": "12479500",
}


@st.composite
def rows(draw: st.DrawFn) -> dict[str, str]:
    """A sound row with a field or two of another value."""
    names = draw(st.lists(st.sampled_from(sorted(FIELDS)), max_size=3, unique=True))
    changes = {name: draw(st.one_of(FIELDS[name], FIELDS[name], ODD)) for name in names}
    row = {**SOUND, **changes}
    for name in draw(st.lists(st.sampled_from(sorted(row)), max_size=1)):
        del row[name]
    return row


def body_of(rows: list[dict[str, str]], extra: str) -> bytes:
    """The rows as Kameo would send them; `extra` are further fields of the first one."""
    texts = [", ".join(f'"{name}": {value}' for name, value in row.items()) for row in rows]
    inner = ", ".join(f"{{{text}{extra if place == 0 else ''}}}" for place, text in enumerate(texts))
    return f'{{"data": {{"investment_options": [{inner}], "total": 3, "last_page": 1}}}}'.encode()


def read(body: bytes) -> ListingPage | str:
    """The page, or why there is none."""
    try:
        return read_page(body, 1, SITE)
    except UpstreamInvalidError as error:
        return str(error)


@given(st.lists(rows(), min_size=1, max_size=3))
@example([{**SOUND, "listing_date": '"2025-07-15T12:16:09.9999999Z"'}])
@example([{**SOUND, "subscribed_amount": '"5"'}, SOUND])
@example([{**SOUND, "teaser": '"värderad till SEK 1 000 000 000 000 000 001"'}])
def test_the_quick_way_reads_what_the_thorough_way_reads(rows: list[dict[str, str]]) -> None:
    """A number too fine for the quick way, in a field that nobody reads, changes nothing but the way."""
    quick, thorough = read(body_of(rows, "")), read(body_of(rows, ', "unread": 0.1234567'))
    assert quick == thorough
    if isinstance(quick, ListingPage) and isinstance(thorough, ListingPage):
        assert [loan.model_dump_json() for loan in quick.loans] == [
            loan.model_dump_json() for loan in thorough.loans
        ]


def test_what_is_too_fine_is_not_read_the_quick_way() -> None:
    """The comparison above rests on it; a time is cut off, never rounded up into the next second."""
    assert read_usual(body_of([SOUND], ""), SITE) is not None
    assert read_usual(body_of([SOUND], ', "unread": 0.1234567'), SITE) is None
    page = read(body_of([{**SOUND, "listing_date": '"2025-07-15T12:16:09.9999999Z"'}], ""))
    assert isinstance(page, ListingPage)
    assert str(page.loans[0].listed_at) == "2025-07-15 12:16:09.999999+00:00"


def test_what_kameo_sends_day_by_day_is_read_the_quick_way() -> None:
    """Loans of all three countries, with fields missing and null, need no second reading."""
    body = listing(400)
    usual = read_usual(body, SITE)
    assert usual is not None
    assert (len(usual.loans), usual.total, usual.last_page) == (400, 400, 1)


def test_loans_are_written_as_any_result_is() -> None:
    """The quick way writes the same numbers, times and names in the same order."""
    loans = read_page(listing(400), 1, SITE).loans
    for found in (loans, ()):
        fields: dict[str, Any] = {"loans": found, "pages": 1, "total": len(found), "warnings": ("one",)}
        fields["message"] = None if found else "No loans found"
        change = LoanChange(id=1, field="closes_at", **{"from": NOW, "to": Decimal("8.50")})
        changes = Changes(since=NOW, new=(1,), gone=(), changed=(change,))
        assert encode(LoanFetchResult(**fields, changes=changes)) == encode(
            Thorough(**fields, changes=changes)
        )


class Thorough(LoanFetchResult):
    """The result without a way of its own."""

    to_json: ClassVar[None] = None  # type: ignore[assignment]


def listing(count: int) -> bytes:
    """A page of the sandbox's loans."""
    market = Market(4711, pages=count // 10)
    rows = market.rows(market.listed(NOW, ("SE", "NO", "DK"))[:count], NOW)
    assert len(rows) == count
    return json.dumps({"data": {"investment_options": rows, "total": count, "last_page": 1}}).encode()
