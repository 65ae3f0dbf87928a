"""A loan in our names, and what is worked out of what Kameo says of it."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated, Any, TypeGuard

from pydantic import AfterValidator, AliasPath, AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field

from kameo_async.kameo.teaser import collateral_value, loan_to_value

COUNTRIES = {"SEK": "SE", "NOK": "NO", "DKK": "DK"}

_SIX_PLACES = Decimal("0.000001")
_LARGEST = Decimal("1e18")
INT64_MAX = 2**63 - 1
_MOST_DIGITS = 30  # more than it has


def _to_utc(value: datetime) -> datetime:
    try:
        return value.astimezone(UTC)
    except OverflowError:
        raise ValueError("the time is out of range") from None


def _web_address(value: object) -> object:
    return value if isinstance(value, str) and value.startswith(("https://", "http://")) else None


def _short(value: object) -> object:
    """A Decimal with a bound to its exponent: pydantic writes out `1e999999999` as an int, for hours."""
    if type(value) is not Decimal or not value.is_finite() or abs(value.adjusted()) <= _MOST_DIGITS:
        return value
    return value and Decimal(f"1E{_MOST_DIGITS if value.adjusted() > 0 else -_MOST_DIGITS}").copy_sign(value)


# A finite number with few enough digits that sums, quotients and readers of JSON can hold it.
Number = Annotated[Decimal, Field(ge=-_LARGEST, le=_LARGEST)]
Integer = Annotated[int, Field(ge=-INT64_MAX - 1, le=INT64_MAX), BeforeValidator(_short)]
Time = Annotated[AwareDatetime, AfterValidator(_to_utc)]


def _wire(name: str, description: str, default: Any = None) -> Any:
    return Field(default, validation_alias=name, description=description)


def _state(name: str, description: str) -> Any:
    return Field(None, validation_alias=AliasPath("subscription_state", name), description=description)


class Loan(BaseModel):
    """A loan as Kameo lists it. What Kameo did not send is null; numbers keep the digits that were sent."""

    model_config = ConfigDict(frozen=True, loc_by_alias=False)

    id: Annotated[int, Field(strict=True, ge=0, le=INT64_MAX)] = _wire(
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


def own_page(site: str, number: int | None) -> str:
    """The address of a loan's page for people."""
    return f"{site}/listing/investment-option/{number}"


def fraction(part: object, whole: object) -> Decimal | None:
    """`part / whole` to six places; null where either is missing, no number, or beyond all measure."""
    if type(part) not in (int, Decimal) or type(whole) not in (int, Decimal):
        return None
    return share(Decimal(part), Decimal(whole))  # type: ignore[arg-type]


def share(part: Decimal, whole: Decimal) -> Decimal | None:
    """`part / whole` to six places; null beyond all measure."""
    try:
        return (part / whole).quantize(_SIX_PLACES)
    except ArithmeticError:
        return None


def collateral(teaser: object, currency: object, amount: object) -> dict[str, Decimal | None]:
    """The fields of a loan that its teaser tells."""
    if not (isinstance(teaser, str) and isinstance(currency, str) and _is_finite(amount)):
        return {"collateral_value": None, "loan_to_value": None}
    value = collateral_value(teaser, currency, amount)
    return {"collateral_value": value, "loan_to_value": loan_to_value(amount, value)}


def _is_finite(amount: object) -> TypeGuard[int | Decimal]:
    return type(amount) is int or (type(amount) is Decimal and amount.is_finite())
