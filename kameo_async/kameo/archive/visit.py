"""What one fetch leaves in the archive, and what it learns there."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, NamedTuple

from kameo_async.kameo.archive.changes import Changes, Seen, compare, seen
from kameo_async.kameo.archive.database import Database
from kameo_async.kameo.archive.rows import (
    FACTS,
    SEEN_COLUMNS,
    digits,
    facts_row,
    in_chunks,
    milliseconds,
    read_seen,
    time_of,
)
from kameo_async.kameo.archive.speed import Speeds
from kameo_async.kameo.loan import Loan

_LAST_FETCH = "SELECT seen_at FROM fetches WHERE countries = ? ORDER BY id DESC LIMIT 1"
ADD_FETCH = "INSERT INTO fetches (seen_at, countries, is_whole) VALUES (?, ?, ?) RETURNING id"
ADD_FACTS = f"INSERT INTO facts ({', '.join(FACTS)}) VALUES ({', '.join('?' * len(FACTS))}) RETURNING id"  # noqa: S608
ADD_SIGHTING = "INSERT INTO sightings (loan_id, fetch_id, facts_id, subscribed_amount) VALUES (?, ?, ?, ?)"
_LISTED = (
    f"SELECT l.loan_id, l.fetch_id, {SEEN_COLUMNS} FROM listed l"  # noqa: S608 - our own names
    " JOIN sightings s ON s.loan_id = l.loan_id AND s.fetch_id = l.fetch_id"
    " JOIN facts f ON f.id = s.facts_id WHERE l.countries = ?"
)
LIST = "INSERT INTO listed (fetch_id, countries, loan_id) VALUES (?, ?, ?)"
_LIST_ANEW = "UPDATE listed SET fetch_id = ? WHERE countries = ? AND loan_id = ?"
_UNLIST = "DELETE FROM listed WHERE countries = ? AND loan_id = ?"
_KNOWN = (
    f"SELECT s.loan_id, s.fetch_id, s.facts_id, v.seen_at, {SEEN_COLUMNS} FROM"  # noqa: S608
    " (SELECT loan_id, min(fetch_id) AS first_id, max(fetch_id) AS last_id FROM sightings"
    " WHERE loan_id IN ({ids}) GROUP BY loan_id) spans"
    " JOIN sightings s ON s.loan_id = spans.loan_id AND s.fetch_id = spans.last_id"
    " JOIN facts f ON f.id = s.facts_id JOIN fetches v ON v.id = spans.first_id"
)


@dataclass(frozen=True, slots=True)
class Visit:
    """What a successful fetch saw: `unread` are listed loans that could not be read.

    `is_whole` says that no loan of these countries was left out; only then can one be gone.
    """

    countries: tuple[str, ...]
    loans: Sequence[Loan]
    unread: Collection[int] = frozenset()
    is_whole: bool = False

    @property
    def scope(self) -> str:
        """What the fetch is compared within: the countries, in one order."""
        return ",".join(sorted(self.countries))


class Past(NamedTuple):
    """What the archive adds to a loan."""

    first_seen_at: datetime
    subscribed_per_hour: Decimal | None = None


@dataclass(frozen=True, slots=True)
class Memory:
    """What a fetch learns: the changes, and the past of each of its loans."""

    changes: Changes
    pasts: Mapping[int, Past]


class _Known(NamedTuple):
    """The last sighting of a loan, and when the first was."""

    fetch_id: int
    facts_id: int
    first_seen_at: int
    seen: Seen


class _Listed(NamedTuple):
    """A loan as the last fetch of the same countries saw it, and the sighting that says so."""

    fetch_id: int
    seen: Seen


def remember(database: Database, visit: Visit, now: datetime) -> Memory:
    """Compares with the last fetch of the same countries, then takes its place."""
    moment = milliseconds(now)
    with database.transaction():
        known = _known(database, [loan.id for loan in visit.loans])
        listed = _listed(database, visit.scope)
        memory = Memory(_changes(database, visit, listed), _pasts(database, visit, known, moment))
        _write(database, visit, known, listed, moment)
        database.run_many(_UNLIST, [(visit.scope, loan_id) for loan_id in memory.changes.gone])
    return memory


def _known(database: Database, ids: Sequence[int]) -> dict[int, _Known]:
    return {
        loan_id: _Known(fetch_id, facts_id, first_seen_at, read_seen(values))
        for marks, part in in_chunks(ids)
        for loan_id, fetch_id, facts_id, first_seen_at, *values in database.query(
            _KNOWN.replace("{ids}", marks), *part
        )
    }


def _listed(database: Database, scope: str) -> dict[int, _Listed]:
    rows = database.query(_LISTED, scope)
    return {loan_id: _Listed(fetch_id, read_seen(values)) for loan_id, fetch_id, *values in rows}


def _changes(database: Database, visit: Visit, listed: Mapping[int, _Listed]) -> Changes:
    last = database.query(_LAST_FETCH, visit.scope)
    before = {loan_id: one.seen for loan_id, one in listed.items()}
    now = {loan.id: seen(loan) for loan in visit.loans}
    gone = before.keys() - now.keys() - set(visit.unread) if visit.is_whole else ()
    return compare(time_of(last[0][0]) if last else None, before, now, gone)


def _pasts(database: Database, visit: Visit, known: Mapping[int, _Known], moment: int) -> dict[int, Past]:
    speeds = Speeds(database, visit.loans, moment)
    return {
        loan.id: Past(time_of(known[loan.id].first_seen_at), speeds.of(loan))
        if loan.id in known
        else Past(time_of(moment))
        for loan in visit.loans
    }


def _write(
    database: Database, visit: Visit, known: Mapping[int, _Known], listed: Mapping[int, _Listed], moment: int
) -> None:
    """A sighting of each loan that is not as it was, and where the listing stands now."""
    [(fetch_id,)] = database.query(ADD_FETCH, moment, visit.scope, int(visit.is_whole))
    sightings: list[tuple[Any, ...]] = []
    listing: dict[str, list[tuple[Any, ...]]] = {LIST: [], _LIST_ANEW: []}
    for loan in visit.loans:
        now, old = seen(loan), known.get(loan.id)
        is_news = old is None or old.seen != now
        if is_news:
            facts_id = _facts_id(database, now, old)
            sightings.append((loan.id, fetch_id, facts_id, digits(now.subscribed_amount)))
        sighting_id = fetch_id if is_news or old is None else old.fetch_id
        if loan.id not in listed or listed[loan.id].fetch_id != sighting_id:
            statement = _LIST_ANEW if loan.id in listed else LIST
            listing[statement].append((sighting_id, visit.scope, loan.id))
    database.run_many(ADD_SIGHTING, sightings)
    for statement, rows in listing.items():
        database.run_many(statement, rows)


def _facts_id(database: Database, now: Seen, old: _Known | None) -> int:
    """The slow fields, written anew only where one of them is not as it was."""
    if old is not None and old.seen._replace(subscribed_amount=now.subscribed_amount) == now:
        return old.facts_id
    [(facts_id,)] = database.query(ADD_FACTS, *facts_row(now))
    return int(facts_id)
