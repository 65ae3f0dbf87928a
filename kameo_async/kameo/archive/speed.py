"""How fast loans fill up, read from what the archive saw of them."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Any, NamedTuple

from kameo_async.kameo.archive.database import Database
from kameo_async.kameo.archive.rows import in_chunks, number
from kameo_async.kameo.loan import Loan

WINDOW = 3_600_000  # an hour, in milliseconds: long enough to be calm, short enough to be news

_CENT = Decimal("0.01")
_LARGEST = Decimal("1e18")

_LAST_BEFORE = "SELECT id FROM fetches WHERE seen_at <= ? ORDER BY id DESC LIMIT 1"
_LAST_WHOLE_BEFORE = (
    "SELECT id, seen_at FROM fetches WHERE id <= ? AND is_whole = 1 AND countries LIKE ?"
    " ORDER BY id DESC LIMIT 1"
)
_FIRST_WHOLE_SINCE = (
    "SELECT id, seen_at FROM fetches WHERE id > ? AND is_whole = 1 AND countries LIKE ? ORDER BY id LIMIT 1"
)
_POINTS = (
    "SELECT s.loan_id, s.fetch_id, v.seen_at, s.subscribed_amount FROM"
    " (SELECT loan_id, max(CASE WHEN fetch_id <= ? THEN fetch_id ELSE 0 END) AS start_id FROM sightings"
    " WHERE loan_id IN ({ids}) GROUP BY loan_id) spans"
    " JOIN sightings s ON s.loan_id = spans.loan_id AND s.fetch_id >= spans.start_id"
    " JOIN fetches v ON v.id = s.fetch_id ORDER BY s.loan_id, s.fetch_id"
)


class Point(NamedTuple):
    """How much was subscribed when a fetch saw a change."""

    fetch_id: int
    seen_at: int
    amount: Decimal | None


class Look(NamedTuple):
    """A fetch of all loans of a country."""

    fetch_id: int
    seen_at: int


class Speeds:
    """Amounts an hour, over the last hour.

    Where it is not known what was subscribed an hour ago, because nobody looked, it is since the last look
    before; for a loan first seen within the hour it is since then. `now` is in milliseconds.
    """

    def __init__(self, database: Database, loans: Sequence[Loan], now: int) -> None:
        self._now = now
        self._start = now - WINDOW
        rows = database.query(_LAST_BEFORE, self._start)
        self._start_id = rows[0][0] if rows else 0
        self._points = self._read_points(database, [loan.id for loan in loans])
        self._looks = self._read_looks(database, {loan.country for loan in loans if loan.country})

    def of(self, loan: Loan) -> Decimal | None:
        """Whole units of the currency an hour, two places; null on first sight or without an amount."""
        points = self._points.get(loan.id)
        if not points or points[0].amount is None or loan.subscribed_amount is None:
            return None
        held_until = self._held_until(points, self._looks[loan.country])
        return _per_hour(loan.subscribed_amount - points[0].amount, self._now - held_until)

    def _held_until(self, points: Sequence[Point], looks: Iterable[Look]) -> int:
        """When the first amount was last known to be the present one, though no later than an hour ago."""
        first, held = points[0], points[0]
        if first.seen_at > self._start:
            return first.seen_at
        end_id = None
        for point in points:
            if point.amount != first.amount:
                end_id = point.fetch_id
                break
            held = point
        seen = [at for id_, at in looks if id_ > held.fetch_id and (end_id is None or id_ < end_id)]
        return min(self._start, max([held.seen_at, *seen]))

    def _read_points(self, database: Database, ids: Sequence[int]) -> dict[int, list[Point]]:
        points: dict[int, list[Point]] = defaultdict(list)
        for marks, part in in_chunks(ids):
            for loan_id, fetch_id, seen_at, amount in database.query(
                _POINTS.replace("{ids}", marks), self._start_id, *part
            ):
                points[loan_id].append(Point(fetch_id, seen_at, number(amount)))
        return points

    def _read_looks(self, database: Database, countries: Iterable[str]) -> dict[Any, list[Look]]:
        """The whole fetches of each country next to the hour's start, before and after.

        Further ones tell no more: after an hour of many fetches they would be read again by each.
        """
        looks: dict[Any, list[Look]] = defaultdict(list)
        for country in countries:
            for statement in (_LAST_WHOLE_BEFORE, _FIRST_WHOLE_SINCE):
                rows = database.query(statement, self._start_id, f"%{country}%")
                looks[country] += [Look(*row) for row in rows]
        return looks


def _per_hour(amount: Decimal, elapsed: int) -> Decimal | None:
    """`elapsed` is in milliseconds; null where no time passed, or the clock went back."""
    if elapsed <= 0:
        return None
    speed = amount * WINDOW / elapsed
    return speed.quantize(_CENT) if abs(speed) < _LARGEST else None
