"""From the wire to our names: a page of loans, and what was left out."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from pydantic import ValidationError

from kameo_async.kameo.errors import UpstreamInvalidError
from kameo_async.kameo.loan import COUNTRIES, Loan, collateral, fraction, own_page
from kameo_async.kameo.rows import read_usual

_INT64_DIGITS = 20

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
    usual = read_usual(body, site)
    if usual is not None:
        return ListingPage(number, usual.loans, (), _count(usual.total), _count(usual.last_page))
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
    row["url"] = own_page(site, number)
    currency = row.get("currency")
    row["country"] = COUNTRIES.get(currency) if isinstance(currency, str) else None
    row["funded_fraction"] = fraction(row.get("subscribed_amount"), row.get("application_amount"))
    row |= collateral(row.get("teaser"), currency, row.get("application_amount"))
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


def _reason(error: ValidationError) -> str:
    first = error.errors(include_url=False, include_context=False)[0]
    if first["input"] is None:
        return f"{first['loc'][0]} is missing"
    fault = next((text for start, text in _FAULTS if first["type"].startswith(start)), "cannot be read")
    return f"{first['loc'][0]} {fault}"
