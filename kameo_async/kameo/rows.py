"""Rows as Kameo sends them day by day, read straight into loans.

A thousand loans cost 5 ms here, where `json` and pydantic take 12: msgspec checks types while it parses, and
what it passes needs no second check. It is stricter than `Loan` everywhere, so whatever it refuses, and
whatever it might read differently, is left to `Loan`, which is the truth; tests hold the two together.
"""

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta, Struct

from kameo_async.kameo.loan import COUNTRIES, INT64_MAX, Loan, own_page, share
from kameo_async.kameo.teaser import collateral_value, loan_to_value

_DIGITS: Final = 18  # before the point; a number of more is left to `Loan`
_MUCH: Final = 10**_DIGITS
_TOO_FINE: Final = re.compile(rb"\.\d{7}")  # of a second: msgspec rounds where pydantic cuts off
_FIELDS: Final = set(Loan.model_fields)
# Filled in, a copy of this is made in half the time of a display of 30 items, which grows several times.
_BLANK: Final[dict[str, Any]] = dict.fromkeys(Loan.model_fields)
_new, _set = Loan.__new__, object.__setattr__

Amount = Annotated[int, Meta(ge=-_MUCH, le=_MUCH)]
Whole = Annotated[int, Meta(ge=-INT64_MAX - 1, le=INT64_MAX)]
Moment = Annotated[datetime, Meta(tz=True)]


# The fields stand in the order in which Kameo sends them, where they are found soonest; and none of this is
# ever part of a cycle, so the collector need not look at it.
class _State(Struct, gc=False):
    state_id: Whole | None = None
    status_text_localized: str | None = None


_NO_STATE: Final = _State()


class _Row(Struct, kw_only=True, gc=False):
    title: str
    teaser: str | None = None
    image: str | None = None
    loan_application_id: Annotated[int, Meta(ge=0, le=INT64_MAX)]
    application_amount: Amount
    annual_interest_rate: Any = None  # a whole number or a Decimal
    duration_in_months: Whole | None = None
    is_listed: Whole | None = None
    available_kiis_languages: str | None = None
    risk_score: str | None = None
    subscribed_amount: Amount | None = None
    subscription_state: _State | None = None
    listing_date: Moment | None = None
    subscription_starts_at: Moment | None = None
    subscription_ends_at: Moment | None = None
    allocation_type_id: Whole | None = None
    book_building_duration: Whole | None = None
    currency: str | None = None
    min_amount: Amount | None = None
    underwriter_state: Whole | None = None
    fully_funded_state: Whole | None = None
    my_bid_amount: Amount | None = None


class _Data(Struct, gc=False):
    investment_options: list[_Row]
    total: Any = None
    last_page: Any = None


class _Document(Struct, gc=False):
    data: _Data | list[_Row]


_decoder = msgspec.json.Decoder(_Document, float_hook=Decimal)


@dataclass(frozen=True, slots=True)
class UsualPage:
    """A page without a broken row; `total` and `last_page` as they came."""

    loans: tuple[Loan, ...]
    total: object
    last_page: object


def read_usual(body: bytes, site: str) -> UsualPage | None:
    """The page, or None where anything about it is unusual."""
    if _TOO_FINE.search(body):
        return None
    try:
        data = _decoder.decode(body).data
        page = data if isinstance(data, _Data) else _Data(data)
        loans = tuple([_loan(row, site) for row in page.investment_options])
    except (msgspec.MsgspecError, ValueError, ArithmeticError, RecursionError):
        return None
    return UsualPage(loans, page.total, page.last_page)


def _loan(row: _Row, site: str) -> Loan:
    """Raises ValueError or ArithmeticError for a loan to be read by `Loan`."""
    currency, state, image = row.currency, row.subscription_state or _NO_STATE, row.image
    listed_at, opens_at, closes_at = row.listing_date, row.subscription_starts_at, row.subscription_ends_at
    values = _BLANK.copy()
    values["id"] = row.loan_application_id
    values["title"] = row.title
    values["amount"] = amount = Decimal(row.application_amount)
    values["currency"] = currency
    values["interest_rate"] = _rate(row.annual_interest_rate)
    values["duration_months"] = row.duration_in_months
    values["country"] = COUNTRIES.get(currency) if currency is not None else None
    values["risk_score"] = row.risk_score
    values["subscribed_amount"] = subscribed = _decimal(row.subscribed_amount)
    values["funded_fraction"] = None if subscribed is None else share(subscribed, amount)
    values["min_amount"] = _decimal(row.min_amount)
    values["my_bid_amount"] = _decimal(row.my_bid_amount)
    values["is_listed"] = row.is_listed
    values["fully_funded_state"] = row.fully_funded_state
    values["underwriter_state"] = row.underwriter_state
    values["allocation_type_id"] = row.allocation_type_id
    values["book_building_minutes"] = row.book_building_duration
    values["language"] = row.available_kiis_languages
    values["collateral_value"] = value = collateral_value(row.teaser, currency, row.application_amount)
    values["loan_to_value"] = loan_to_value(amount, value)
    values["state_id"] = state.state_id
    values["state"] = state.status_text_localized
    values["listed_at"] = listed_at and listed_at.astimezone(UTC)
    values["opens_at"] = opens_at and opens_at.astimezone(UTC)
    values["closes_at"] = closes_at and closes_at.astimezone(UTC)
    values["teaser"] = row.teaser
    values["image_url"] = image if image is not None and image.startswith(("https://", "http://")) else None
    values["url"] = own_page(site, row.loan_application_id)
    return _made(values)


def _made(values: dict[str, Any]) -> Loan:
    """`Loan.model_construct` without its search for defaults, which takes longer than all the rest."""
    loan = _new(Loan)
    _set(loan, "__dict__", values)
    _set(loan, "__pydantic_fields_set__", _FIELDS)
    _set(loan, "__pydantic_extra__", None)
    _set(loan, "__pydantic_private__", None)
    return loan


def _decimal(amount: int | None) -> Decimal | None:
    return None if amount is None else Decimal(amount)


def _rate(rate: object) -> Decimal | None:
    if rate is None:
        return None
    if type(rate) is int and -_MUCH <= rate <= _MUCH:
        return Decimal(rate)
    if type(rate) is Decimal and rate.adjusted() < _DIGITS:
        return rate
    raise ValueError("no usual rate")
