"""How the archive writes values down: numbers with their digits, times as text or milliseconds."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from kameo_async.kameo.archive.changes import Seen

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)
_CHUNK = 500
_INT64_DIGITS = 18

# The slow fields of `Seen`, which change seldom, have a table of their own; what fills up is beside them.
FACTS = tuple(name for name in Seen._fields if name != "subscribed_amount")
SEEN_COLUMNS = ", ".join(("f." if name in FACTS else "s.") + name for name in Seen._fields)

_NUMBERS = frozenset({"amount", "interest_rate", "subscribed_amount", "min_amount"})
_TIMES = frozenset({"opens_at", "closes_at"})


def facts_row(one: Seen) -> tuple[Any, ...]:
    """The slow fields as they are written."""
    return tuple(_written(name, getattr(one, name)) for name in FACTS)


def read_seen(values: Sequence[Any]) -> Seen:
    """What SEEN_COLUMNS gave."""
    return Seen(*(_read(name, value) for name, value in zip(Seen._fields, values, strict=True)))


def digits(number: Decimal | None) -> int | str | None:
    """A whole number as such, which is shorter; any other as its text, so that no digit is lost."""
    text = str(number)
    is_short = len(text) <= _INT64_DIGITS and text.removeprefix("-").isdecimal() and text == str(int(text))
    return None if number is None else int(text) if is_short else text


def number(value: object) -> Decimal | None:
    """What `digits` wrote."""
    return None if value is None else Decimal(str(value))


def milliseconds(time: datetime) -> int:
    """Whole milliseconds since 1970; what is less is cut off."""
    return (time - _EPOCH) // _MILLISECOND


def time_of(moment: int) -> datetime:
    """What `milliseconds` was made from."""
    return _EPOCH + moment * _MILLISECOND


def in_chunks(ids: Sequence[int]) -> Iterator[tuple[str, Sequence[int]]]:
    """The ids in parts small enough for one statement, each with as many placeholders."""
    for start in range(0, len(ids), _CHUNK):
        part = ids[start : start + _CHUNK]
        yield ", ".join("?" * len(part)), part


def _written(name: str, value: Any) -> Any:
    if name in _NUMBERS:
        return digits(value)
    return value.isoformat() if name in _TIMES and value is not None else value


def _read(name: str, value: Any) -> Any:
    if name in _NUMBERS:
        return number(value)
    return datetime.fromisoformat(value) if name in _TIMES and value is not None else value
