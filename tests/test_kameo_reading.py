"""What Kameo sends, read: loans, forms, codes, rate limits, whatever comes."""

import json
import re
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from kameo_async.kameo.errors import ConfigurationError, UpstreamInvalidError
from kameo_async.kameo.forms import read_html
from kameo_async.kameo.loan import Loan
from kameo_async.kameo.models import ListingPage, read_page
from kameo_async.kameo.totp import code_at, key_of, step_at

SITE = "https://www.kameo.se"
ROW = {
    "title": "Fastighetsbolag söker finansiering",
    "teaser": "#4711 | Fastigheterna är värderade till totalt SEK 31 000 000",
    "image": "https://cdn.example/486/4711/photo.jpg",
    "loan_application_id": 4711,
    "application_amount": 12500000,
    "annual_interest_rate": 10,
    "duration_in_months": 12,
    "is_listed": 0,
    "available_kiis_languages": "SE",
    "risk_score": "B",
    "subscribed_amount": 12479500,
    "subscription_state": {"state_id": 30, "status_text_localized": "Tilldelning"},
    "listing_date": "2025-07-07T11:11:55+02:00",
    "subscription_starts_at": "2025-07-15T12:16:09.000000Z",
    "subscription_ends_at": "2025-07-10T23:59:00+02:00",
    "allocation_type_id": 2,
    "book_building_duration": 1440,
    "currency": "SEK",
    "min_amount": 500,
    "underwriter_state": 0,
    "fully_funded_state": 0,
    "my_bid_amount": 0,
}


def page_of(*rows: Any) -> ListingPage:
    """The older shape with these rows."""
    return read_page(json.dumps({"data": list(rows)}).encode(), 1, SITE)


def read(name: str, literal: str) -> ListingPage:
    """A page with the row above in which `name` has a JSON literal, and a sound one after it."""
    text = json.dumps({"data": [{**ROW, name: "@"}, {**ROW, "loan_application_id": 1}]})
    return read_page(text.replace('"@"', literal).encode(), 1, SITE)


@pytest.mark.parametrize(
    ("currency", "country"), [("SEK", "SE"), ("NOK", "NO"), ("DKK", "DK"), ("EUR", None), (None, None)]
)
def test_the_country_is_that_of_the_currency(currency: str | None, country: str | None):
    """Of the three currencies that Kameo lends in; null for any other."""
    (loan,) = page_of(ROW | {"currency": currency}).loans
    assert loan.country == country


def test_every_field():
    """A loan has exactly the contract's fields, in its order, with our names."""
    (loan,) = page_of(ROW).loans
    assert loan.model_dump() == {
        "id": 4711,
        "title": "Fastighetsbolag söker finansiering",
        "amount": 12500000,
        "currency": "SEK",
        "interest_rate": 10,
        "duration_months": 12,
        "country": "SE",
        "risk_score": "B",
        "subscribed_amount": 12479500,
        "funded_fraction": Decimal("0.998360"),
        "min_amount": 500,
        "my_bid_amount": 0,
        "is_listed": 0,
        "fully_funded_state": 0,
        "underwriter_state": 0,
        "allocation_type_id": 2,
        "book_building_minutes": 1440,
        "language": "SE",
        "first_seen_at": None,
        "subscribed_per_hour": None,
        "collateral_value": Decimal(31_000_000),
        "loan_to_value": Decimal("0.4032"),
        "state_id": 30,
        "state": "Tilldelning",
        "listed_at": datetime(2025, 7, 7, 9, 11, 55, tzinfo=UTC),
        "opens_at": datetime(2025, 7, 15, 12, 16, 9, tzinfo=UTC),
        "closes_at": datetime(2025, 7, 10, 21, 59, tzinfo=UTC),
        "teaser": "#4711 | Fastigheterna är värderade till totalt SEK 31 000 000",
        "image_url": "https://cdn.example/486/4711/photo.jpg",
        "url": "https://www.kameo.se/listing/investment-option/4711",
    }
    assert str(loan.funded_fraction) == "0.998360"
    assert list(loan.model_dump()) == list(Loan.model_fields)


def test_only_what_must_be_there():
    """All but id, title and amount may be missing, and is null then."""
    (loan,) = page_of({"loan_application_id": 1, "title": "t", "application_amount": 5}).loans
    assert loan.model_dump(exclude_none=True) == {
        "id": 1,
        "title": "t",
        "amount": 5,
        "url": "https://www.kameo.se/listing/investment-option/1",
    }


@pytest.mark.parametrize("digits", ["8.50", "10", "0.1000000000000000000001", "12345678901234567.25", "7.0"])
def test_digits_stay(digits: str):
    """Rates keep exactly the digits that were sent."""
    assert str(read("annual_interest_rate", digits).loans[0].interest_rate) == digits


@pytest.mark.parametrize(
    ("name", "literal", "reason"),
    [
        ("application_amount", "null", "amount is missing"),
        ("application_amount", '"mycket"', "amount is not a number"),
        ("application_amount", "true", "amount is not a number"),
        ("application_amount", "NaN", "amount is not a number"),
        ("application_amount", "1e99999999999999999999", "amount is not a number"),
        ("application_amount", "9" * 5000, "amount is out of range"),
        ("title", "null", "title is missing"),
        ("title", "5", "title is not text"),
        ("title", '"\\ud800"', "its text is not Unicode"),
        ("listing_date", '"i går"', "listed_at is not a time"),
        ("listing_date", '"2025-07-07T11:11:55"', "listed_at has no time zone"),
        ("listing_date", '"0001-01-01T00:00:00+05:00"', "listed_at cannot be read"),
        ("duration_in_months", "1.5", "duration_months is not a whole number"),
        ("allocation_type_id", "1" * 30, "allocation_type_id is out of range"),
        ("duration_in_months", "1e999999999", "duration_months is out of range"),
        ("duration_in_months", "-1e999999999", "duration_months is out of range"),
        ("is_listed", "1e-999999999", "is_listed is not a whole number"),
    ],
)
def test_a_broken_loan_is_named(name: str, literal: str, reason: str):
    """A broken loan loses its own row, and the warning says which and why."""
    page = read(name, literal)
    assert [loan.id for loan in page.loans] == [1]
    assert list(page.warnings()) == [f"Loan 4711 on page 1 was left out: {reason}"]


@pytest.mark.parametrize(
    ("literal", "months"), [("0e999999999", 0), ("0e-999999999", 0), ("1.2e1", 12), ("12.0", 12)]
)
def test_a_whole_number_may_be_written_with_an_exponent(literal: str, months: int):
    """Or with a point; however large the exponent is, to read it takes no time."""
    assert read("duration_in_months", literal).loans[0].duration_months == months


@pytest.mark.parametrize("literal", ["true", "null", '"4711"', "1.0", "[]", "-1"])
def test_a_loan_without_an_id(literal: str):
    """A broken loan whose id cannot be read is named by its place."""
    (warning,) = read("loan_application_id", literal).warnings()
    assert warning.startswith("The loan at place 1 on page 1 was left out: id ")


@pytest.mark.parametrize("literal", ["null", "5", '"javascript:alert(1)"', '"data:text/html,x"'])
def test_images_are_web_addresses(literal: str):
    """An image that is no web address is null."""
    assert read("image", literal).loans[0].image_url is None


def test_a_pair_of_surrogates_is_text():
    """An escaped character beyond the basic plane is read as it is."""
    assert read("title", '"\\ud83c\\udfe0"').loans[0].title == "\N{HOUSE BUILDING}"


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.decimals().map(str),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)
rows = st.lists(anything | st.fixed_dictionaries({}, optional=dict.fromkeys(ROW, anything)), max_size=4)


@given(rows, anything)
def test_any_rows_lose_rows_only(rows: list[Any], paging: Any):
    """Whatever the rows hold, the page is read, each row is a loan or broken, and loans can be encoded."""
    rows = [*rows, ROW]
    data = {"investment_options": rows, "total": paging, "last_page": paging}
    page = read_page(json.dumps({"data": data}).encode(), 1, SITE)
    assert page.size == len(rows)
    assert page.loans[-1].id == 4711
    for loan in page.loans:
        assert orjson.dumps(loan.model_dump(), default=str)


@given(anything)
def test_any_document_is_read_or_refused(document: Any):
    """A document of another shape is an answer that cannot be understood, never a crash."""
    try:
        page = read_page(json.dumps(document).encode(), 1, SITE)
    except UpstreamInvalidError:
        return
    assert page.number == 1


@given(st.binary())
def test_any_bytes_are_refused(body: bytes):
    """Bytes that are no listing are refused in our own words."""
    with pytest.raises(UpstreamInvalidError):
        read_page(body, 1, SITE)


markup = st.lists(
    st.text()
    | st.sampled_from(
        [
            "<form action=",
            "</form>",
            "<input type=hidden name=x value='",
            "<![CDATA[",
            "<![if",
            "<!",
            "<meta ",
            '"',
            ">",
        ]
    ),
).map("".join)


@given(markup)
def test_any_html_is_read(text: str):
    """No HTML makes the reader of forms fail."""
    assert read_html(text).forms is not None


@pytest.mark.parametrize(
    "html",
    [
        '<form action="/auth/e-sign"><input type="hidden" name="ezxform_token" value="no"></form>'
        '<form method="post" action="/auth/2fa">'
        '<input type="hidden" name="ezxform_token" value="yes" /></form>',
        "<FORM ACTION=https://host/auth/2fa/?x=1><INPUT VALUE=yes NAME=ezxform_token TYPE=HIDDEN></FORM>"
        "<form action=/auth/e-sign><input value=no name=ezxform_token type=hidden></form>",
        "<form action='2fa'><p><input name='ezxform_token' value='&#121;es' type='hidden'>"
        "<form action='/auth/e-sign'><input name='ezxform_token' value='no' type='hidden'>",
        "<form action=''><input name='ezxform_token' value='yes' type='hidden'></form>",
        "<form action='/auth/2fa' action='/x'>"
        "<input name='ezxform_token' value='yes' value='no' type='hidden'></form>",
    ],
)
def test_the_right_form(html: str):
    """The form that posts the code is found by its action, in any order and quoting."""
    forms = [form for form in read_html(html).forms if form.posts_to("https://host/auth/2fa", "/auth/2fa")]
    assert [form.hidden["ezxform_token"] for form in forms] == ["yes"]


@pytest.mark.parametrize(
    "secret", ["JBSWY3DPEHPK3PXP", "jbsw y3dp ehpk 3pxp", " jbsw-y3dp-ehpk-3pxp\n", "JBSWY3DPEHPK3PXP===="]
)
def test_secrets_as_people_paste_them(secret: str):
    """Case, spaces, dashes and padding do not matter, and 16 characters are enough."""
    assert code_at(key_of(SecretStr(secret)), 1) == "996554"


@pytest.mark.parametrize(("time", "code"), [(59, "287082"), (1111111109, "081804"), (20000000000, "353130")])
def test_codes_of_the_standard(time: int, code: str):
    """The codes are those of RFC 6238, appendix B, cut to six digits."""
    assert code_at(b"12345678901234567890", step_at(time)) == code


@pytest.mark.parametrize("secret", ["", " ", "0189", "a", "JBSWY3DPEHPK3PXPA", "ÅÄÖ"])
def test_secrets_that_are_none(secret: str):
    """What is not Base32 is named without being repeated."""
    with pytest.raises(ConfigurationError) as caught:
        key_of(SecretStr(secret))
    assert not secret.strip() or not re.search(rf"\b{secret}\b", str(caught.value))
