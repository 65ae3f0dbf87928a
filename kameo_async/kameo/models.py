"""From the wire to our names: a loan, a page of loans, and what was left out."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated, Any, TypeGuard

from pydantic import (
    AfterValidator,
    AliasPath,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
)

from kameo_async.kameo.errors import UpstreamInvalidError
from kameo_async.kameo.teaser import collateral_value, loan_to_value

COUNTRIES = {"SEK": "SE", "NOK": "NO", "DKK": "DK"}

_SIX_PLACES = Decimal("0.000001")
_LARGEST = Decimal("1e18")
_INT64_MAX = 2**63 - 1
_INT64_DIGITS = 20


def _to_utc(value: datetime) -> datetime:
    try:
        return value.astimezone(UTC)
    except OverflowError:
        raise ValueError("the time is out of range") from None


def _web_address(value: object) -> object:
    return value if isinstance(value, str) and value.startswith(("https://", "http://")) else None


# A finite number with few enough digits that sums, quotients and readers of JSON can hold it.
Number = Annotated[Decimal, Field(ge=-_LARGEST, le=_LARGEST)]
Integer = Annotated[int, Field(ge=-_INT64_MAX - 1, le=_INT64_MAX)]
Time = Annotated[AwareDatetime, AfterValidator(_to_utc)]


# What pydantic finds wrong, by the start of its error's type, in words for people.
_FAULTS = (
    ("missing", "is missing"),
    ("decimal", "is not a number"),
    ("finite", "is not a number"),
    ("is_instance", "is not a number"),
    ("int", "is not a whole number"),
    ("string", "is not text"),
    ("timezone", "has no time zone"),
    ("date", "is not a time"),
    ("greater", "is out of range"),
    ("less", "is out of range"),
)


def _wire(name: str, description: str, default: Any = None) -> Any:
    return Field(default, validation_alias=name, description=description)


def _state(name: str, description: str) -> Any:
    return Field(None, validation_alias=AliasPath("subscription_state", name), description=description)


class Loan(BaseModel):
    """A loan as Kameo lists it. What Kameo did not send is null; numbers keep the digits that were sent."""

    model_config = ConfigDict(frozen=True, loc_by_alias=False)

    id: Annotated[int, Field(strict=True, ge=0, le=_INT64_MAX)] = _wire(
        "loan_application_id", "Kameo's number of the loan", ...
    )
    title: str = _wire("title", "what the loan is for", ...)
    amount: Number = _wire("application_amount", "how much is sought, in whole units of the currency", ...)
    currency: str | None = _wire("currency", "SEK, NOK or DKK")
    interest_rate: Number | None = _wire("annual_interest_rate", "percent per year")
    duration_months: Integer | None = _wire("duration_in_months", "months until it is repaid")
    country: str | None = Field(None, description="from the currency: SE, NO or DK")
    risk_score: str | None = _wire("risk_score", "Kameo's grade of the risk")
    subscribed_amount: Number | None = _wire("subscribed_amount", "how much is offered by lenders so far")
    funded_fraction: Number | None = Field(
        None, description="1 is fully subscribed; may exceed 1; six places"
    )
    min_amount: Number | None = _wire("min_amount", "the least bid")
    my_bid_amount: Number | None = _wire("my_bid_amount", "the account's own bid")
    is_listed: Integer | None = _wire("is_listed", "0 or 1, as Kameo sends it")
    fully_funded_state: Integer | None = _wire("fully_funded_state", "as Kameo sends it")
    underwriter_state: Integer | None = _wire("underwriter_state", "as Kameo sends it")
    allocation_type_id: Integer | None = _wire(
        "allocation_type_id", "how bids are allotted, as Kameo sends it"
    )
    book_building_minutes: Integer | None = _wire("book_building_duration", "minutes of book building")
    language: str | None = _wire("available_kiis_languages", "languages of the key information sheet")
    first_seen_at: Time | None = Field(None, description="when a fetch saw it first; null when unknown")
    subscribed_per_hour: Number | None = Field(
        None,
        description="how fast `subscribed_amount` grew in the last hour, or since the last fetch before it; "
        "null on first sight",
    )
    collateral_value: Number | None = Field(
        None, description="what secures it, as read from the teaser; null when unsure"
    )
    loan_to_value: Number | None = Field(
        None,
        description="`amount` / `collateral_value`, 0.65 is 65 %; four places. "
        "Debt with a better right to the collateral is not known, and not in it",
    )
    state_id: Integer | None = _state("state_id", "11 is pre-subscription, 30 allocation; others exist")
    state: str | None = _state("status_text_localized", "the state in Kameo's words")
    listed_at: Time | None = _wire("listing_date", "when it was listed")
    opens_at: Time | None = _wire("subscription_starts_at", "when bids open")
    closes_at: Time | None = _wire("subscription_ends_at", "when bids close")
    teaser: str | None = _wire("teaser", "Kameo's line below the title")
    image_url: Annotated[str | None, BeforeValidator(_web_address)] = _wire("image", "address of a picture")
    url: str = Field(description="the loan's page for people")


@dataclass(frozen=True, slots=True)
class BrokenLoan:
    """A loan that could not be read: `id` where that much was readable, and why, in a few words."""

    id: int | None
    place: int
    reason: str

    def __str__(self) -> str:
        return f"Loan {self.id}" if self.id is not None else f"The loan at place {self.place}"


@dataclass(frozen=True, slots=True)
class ListingPage:
    """One page of the listing; `total` and `last_page` are null in the older shape, which has no paging."""

    number: int
    loans: tuple[Loan, ...]
    broken: tuple[BrokenLoan, ...] = ()
    total: int | None = None
    last_page: int | None = None

    @property
    def size(self) -> int:
        """How many loans the page held, broken ones too."""
        return len(self.loans) + len(self.broken)

    def keys(self) -> Iterator[object]:
        """What tells its loans apart: their ids, and for a broken one without an id its place."""
        yield from (loan.id for loan in self.loans)
        yield from (("place", self.number, one.place) if one.id is None else one.id for one in self.broken)

    def warnings(self) -> Iterator[str]:
        """A sentence for each loan that was left out."""
        return (f"{one} on page {self.number} was left out: {one.reason}" for one in self.broken)


def read_page(body: bytes, number: int, site: str) -> ListingPage:
    """Reads an answer of the listing; `site` is the address that loans' own pages are under.

    Raises UpstreamInvalidError when the whole is no listing. A row that is no loan is kept as broken.
    """
    rows, paging = _rows_of(_parse(body))
    doubtful = b"\\ud" in body.lower()  # an escaped surrogate, of which only a pair is text
    loans: list[Loan] = []
    broken: list[BrokenLoan] = []
    for place, row in enumerate(rows, 1):
        one = _read_loan(row, place, site)
        if doubtful and isinstance(one, Loan) and not _is_text(one):
            one = BrokenLoan(one.id, place, "its text is not Unicode")
        loans.append(one) if isinstance(one, Loan) else broken.append(one)
    total, last_page = (_count(paging.get(name)) for name in ("total", "last_page"))
    return ListingPage(number, tuple(loans), tuple(broken), total, last_page)


def _parse(body: bytes) -> object:
    """JSON without any float in between: what has a point becomes a Decimal, digit for digit."""
    try:
        text = body.decode("utf-8")
        try:
            return json.loads(text, parse_float=Decimal, parse_constant=Decimal)
        except json.JSONDecodeError:
            raise
        except (
            ValueError,
            ArithmeticError,
        ):  # a number beyond what int or Decimal take breaks its loan alone
            return json.loads(text, parse_float=_number, parse_constant=Decimal, parse_int=_number)
    except (ValueError, RecursionError) as error:
        raise UpstreamInvalidError("Kameo's answer is not JSON") from error


def _number(text: str) -> int | Decimal:
    try:
        return int(text) if len(text) <= _INT64_DIGITS and text.lstrip("-").isdecimal() else Decimal(text)
    except ArithmeticError:
        return Decimal("NaN")


def _rows_of(document: object) -> tuple[list[Any], Mapping[str, Any]]:
    data = document.get("data") if isinstance(document, dict) else None
    if isinstance(data, list):
        return data, {}
    rows = data.get("investment_options") if isinstance(data, dict) else None
    if isinstance(data, dict) and isinstance(rows, list):
        return rows, data
    raise UpstreamInvalidError("Kameo's answer is not a list of loans")


def _count(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None


def _read_loan(row: object, place: int, site: str) -> Loan | BrokenLoan:
    if not isinstance(row, dict):
        return BrokenLoan(None, place, "it is not an object")
    number = _count(row.get("loan_application_id"))
    row["url"] = f"{site}/listing/investment-option/{number}"
    currency = row.get("currency")
    row["country"] = COUNTRIES.get(currency) if isinstance(currency, str) else None
    row["funded_fraction"] = fraction(row.get("subscribed_amount"), row.get("application_amount"))
    row |= _collateral(row.get("teaser"), currency, row.get("application_amount"))
    row["first_seen_at"] = row["subscribed_per_hour"] = None  # the archive knows, not Kameo
    try:
        return Loan.model_validate(row)
    except ValidationError as error:
        return BrokenLoan(number, place, _reason(error))


def _is_text(loan: Loan) -> bool:
    """Whether its texts can be encoded: JSON may hold half of a surrogate pair, UTF-8 may not."""
    try:
        for value in loan.__dict__.values():
            if isinstance(value, str):
                value.encode()
    except UnicodeEncodeError:
        return False
    return True


def fraction(part: object, whole: object) -> Decimal | None:
    """`part / whole` to six places; null where either is missing, no number, or beyond all measure."""
    if type(part) not in (int, Decimal) or type(whole) not in (int, Decimal):
        return None
    try:
        return (Decimal(part) / whole).quantize(_SIX_PLACES)  # type: ignore[arg-type, operator]
    except ArithmeticError:
        return None


def _collateral(teaser: object, currency: object, amount: object) -> dict[str, Decimal | None]:
    if not (isinstance(teaser, str) and isinstance(currency, str) and _is_finite(amount)):
        return {"collateral_value": None, "loan_to_value": None}
    value = collateral_value(teaser, currency, amount)
    return {"collateral_value": value, "loan_to_value": loan_to_value(amount, value)}


def _is_finite(amount: object) -> TypeGuard[int | Decimal]:
    return type(amount) is int or (type(amount) is Decimal and amount.is_finite())


def _reason(error: ValidationError) -> str:
    first = error.errors(include_url=False, include_context=False)[0]
    if first["input"] is None:
        return f"{first['loc'][0]} is missing"
    fault = next((text for start, text in _FAULTS if first["type"].startswith(start)), "cannot be read")
    return f"{first['loc'][0]} {fault}"
