"""The sandbox's loans: what is listed at a time, as a pure function of the seed, the size and the time.

Loans run past on a belt: at even steps a new one is listed and the oldest leaves, so that the number of
loans never changes while which loans they are does. Loan `n` of a seed is always the same loan.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from random import Random
from typing import Any

from kameo_async.sandbox.names import LANGUAGES, Language

Row = dict[str, Any]

LOANS_PER_PAGE = 12
LISTED_FOR = timedelta(days=10)

_EPOCH = datetime(2024, 12, 1, tzinfo=UTC)
_FIRST_ID = 1000
# The country of five loans in a row, over and over: however the window lies, four of five are in SE or DK.
_COUNTRIES = ("SE", "DK", "SE", "SE", "NO")
_REQUIRED = frozenset({"loan_application_id", "title", "application_amount"})
_TIMED = frozenset({"listing_date", "subscription_ends_at", "subscription_state"})
_RISKS = ("A", "B", "B", "C", "C", "D", "E")
_BOOK_BUILDING_MINUTES = (60, 720, 1440, 2880)
_MIN_AMOUNT = 500


@dataclass(frozen=True, slots=True)
class Outline:
    """What stays the same of a loan while time goes; `utc` says how its times are written."""

    number: int
    language: Language
    listed_at: datetime
    opens_at: datetime
    closes_at: datetime
    amount: int
    early_fraction: float
    final_fraction: float
    utc: bool
    fixed: Row
    missing: tuple[str, ...]
    null: tuple[str, ...]


class Market:
    """All loans of a seed. With 12 a page, those in SE and DK fill `pages` pages, the last one not quite."""

    def __init__(self, seed: int, pages: int) -> None:
        self._seed = seed
        self._size = (LOANS_PER_PAGE * pages - 4) // 4 * len(_COUNTRIES)
        self._step = LISTED_FOR / self._size

    def listed(self, at: datetime, countries: Collection[str]) -> Sequence[int]:
        """The numbers of the loans listed at a time in these countries, newest first."""
        newest = self._newest(at)
        window = range(newest, newest - self._size, -1)
        return [number for number in window if _country(number) in countries]

    def rows(self, numbers: Sequence[int], at: datetime) -> list[Row]:
        """These loans as they are at a time, as the API writes them."""
        return [row_of(self._outline(number), at) for number in numbers]

    def find(self, loan_id: int, at: datetime) -> Row | None:
        """A loan by its id, also one that is listed no longer; None where there is none yet."""
        number = loan_id - _FIRST_ID
        return row_of(self._outline(number), at) if 0 <= number <= self._newest(at) else None

    def _newest(self, at: datetime) -> int:
        return self._size - 1 + max(0, (at - _EPOCH) // self._step)

    def _outline(self, number: int) -> Outline:
        listed_at = _EPOCH + (number - self._size + 1) * self._step
        return _outline(Random(f"{self._seed}:{number}"), number, listed_at)  # noqa: S311 - no secret


def _country(number: int) -> str:
    return _COUNTRIES[number % len(_COUNTRIES)]


def _outline(rng: Random, number: int, listed_at: datetime) -> Outline:
    language = LANGUAGES[_country(number)]
    opens_at = _at_hour(_local(listed_at) + timedelta(days=rng.randint(1, 2)), rng.choice((10, 12, 14)))
    closes_at = (opens_at + timedelta(days=rng.randint(1, 5))).replace(hour=23, minute=59)
    amount = rng.randint(15, 400) * 100_000
    fixed = _fixed(rng, language, _FIRST_ID + number, amount)
    missing, null = _gaps(rng, fixed)
    return Outline(
        number=number,
        language=language,
        listed_at=_local(listed_at),
        opens_at=opens_at,
        closes_at=closes_at,
        amount=amount,
        early_fraction=rng.uniform(0, 0.2),
        final_fraction=rng.choice((rng.uniform(0.3, 1), rng.uniform(0.9, 1), 1.0, rng.uniform(1, 1.3))),
        utc=rng.random() < 0.3,
        fixed=fixed,
        missing=missing,
        null=null,
    )


def _fixed(rng: Random, language: Language, loan_id: int, amount: int) -> Row:
    return {
        "title": language.title.format(
            who=rng.choice(language.who), what=rng.choice(language.what), where=rng.choice(language.where)
        ),
        "teaser": f"#{loan_id} | {_teaser(rng, language, amount)}",
        "image": f"https://cdn.example/{rng.randint(100, 999)}/{loan_id}/photo.jpg",
        "loan_application_id": loan_id,
        "application_amount": amount,
        "annual_interest_rate": _rate(rng),
        "duration_in_months": rng.choice((6, 9, 12, 15, 18, 24, 36)),
        "available_kiis_languages": language.code,
        "risk_score": rng.choice(_RISKS),
        "allocation_type_id": rng.choice((1, 2, 2)),
        "book_building_duration": rng.choice(_BOOK_BUILDING_MINUTES),
        "currency": language.currency,
        "min_amount": _MIN_AMOUNT,
        "underwriter_state": int(rng.random() < 0.2),
        "my_bid_amount": rng.randint(1, 50) * _MIN_AMOUNT if rng.random() < 0.1 else 0,
    }


def _teaser(rng: Random, language: Language, amount: int) -> str:
    value = round(amount / rng.uniform(0.45, 0.75) / 100_000) * 100_000
    grouped = f"{value:,}".replace(",", language.separator)
    return rng.choice(language.teasers).format(
        value=f"{language.currency} {grouped}", percent=rng.randint(40, 75)
    )


def _rate(rng: Random) -> int | float:
    rate = rng.randint(28, 56) / 4
    return int(rate) if rate.is_integer() else rate


def _gaps(rng: Random, fixed: Row) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """One loan in six lacks a field, or has null there: which fields are missing, and which null."""
    name = rng.choice(sorted((fixed.keys() | _TIMED) - _REQUIRED))
    chance = rng.random()
    if chance > 1 / 6:
        return (), ()
    return ((name,), ()) if chance < 1 / 12 else ((), (name,))


def row_of(outline: Outline, at: datetime) -> Row:
    """A loan as it is at a time, in the wire's fields."""
    subscribed = _subscribed(outline, at)
    row = {
        **outline.fixed,
        "is_listed": int(at < outline.closes_at),
        "subscribed_amount": subscribed,
        "subscription_state": _state(outline, at, subscribed),
        "listing_date": _written(outline, outline.listed_at),
        "subscription_starts_at": _written(outline, outline.opens_at),
        "subscription_ends_at": _written(outline, outline.closes_at),
        "fully_funded_state": int(subscribed >= outline.amount),
        "my_bid_amount": outline.fixed["my_bid_amount"] if at >= outline.opens_at else 0,
    }
    row |= dict.fromkeys(outline.null)
    return {name: value for name, value in row.items() if name not in outline.missing}


def _subscribed(outline: Outline, at: datetime) -> int:
    """Slowly before the opening, then fast at first and slower towards the end; whole bids only."""
    before = _share(outline.listed_at, outline.opens_at, at) * outline.early_fraction
    since = 1 - (1 - _share(outline.opens_at, outline.closes_at, at)) ** 3
    filled = (before + since * (1 - outline.early_fraction)) * outline.final_fraction
    return int(outline.amount * filled + 0.5) // _MIN_AMOUNT * _MIN_AMOUNT


def _share(start: datetime, end: datetime, at: datetime) -> float:
    return min(1.0, max(0.0, (at - start) / (end - start)))


def _state(outline: Outline, at: datetime, subscribed: int) -> Row:
    if at < outline.opens_at:
        return {"state_id": 11, "status_text_localized": "Förhandsteckning"}
    if at >= outline.listed_at + LISTED_FOR - timedelta(days=1):
        return {"state_id": 40, "status_text_localized": "Avslutad"}
    if at >= outline.closes_at:
        return {"state_id": 30, "status_text_localized": "Tilldelning"}
    if subscribed >= outline.amount:
        return {"state_id": 25, "status_text_localized": "Fulltecknad"}
    return {"state_id": 20, "status_text_localized": "Öppen för teckning"}


def _local(at: datetime) -> datetime:
    """In Nordic time, to the second; summer time is taken as whole months."""
    zone = timezone(timedelta(hours=2 if 4 <= at.month <= 10 else 1))
    return at.replace(microsecond=0).astimezone(zone)


def _at_hour(at: datetime, hour: int) -> datetime:
    return at.replace(hour=hour, minute=0, second=0)


def _written(outline: Outline, at: datetime) -> str:
    if outline.utc:
        return f"{at.astimezone(UTC):%Y-%m-%dT%H:%M:%S.%fZ}"
    return at.isoformat()
