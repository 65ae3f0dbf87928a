"""Brings what one archive saw into another that has seen nothing: a file's into a database."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from kameo_async.kameo.archive.database import ArchiveError, Database
from kameo_async.kameo.archive.rows import FACTS
from kameo_async.kameo.archive.visit import ADD_FACTS, ADD_FETCH, ADD_SIGHTING, LIST

_FETCHES = "SELECT id, seen_at, countries, is_whole FROM fetches ORDER BY id"
_FACTS = f"SELECT id, {', '.join(FACTS)} FROM facts ORDER BY id"  # noqa: S608 - our own names
_SIGHTINGS = "SELECT loan_id, fetch_id, facts_id, subscribed_amount FROM sightings"
_LISTED = "SELECT fetch_id, countries, loan_id FROM listed"

Rows = Sequence[tuple[Any, ...]]


class Content(NamedTuple):
    """All rows of an archive, but used-up codes: those are over within minutes."""

    fetches: Rows
    facts: Rows
    sightings: Rows
    listed: Rows


def content(database: Database) -> Content:
    """What it holds at one moment."""
    database.query("BEGIN")
    found = Content(*(database.query(statement) for statement in (_FETCHES, _FACTS, _SIGHTINGS, _LISTED)))
    database.query("COMMIT")
    return found


def fill(database: Database, content: Content) -> None:
    """Writes it down under new numbers, all or nothing. Raises ArchiveError where there are some already."""
    with database.transaction():
        if database.query("SELECT 1 FROM fetches LIMIT 1"):
            raise ArchiveError(
                "the database has seen these loans already; only an empty archive takes another's"
            )
        fetches = _added(database, ADD_FETCH, content.fetches)
        facts = _added(database, ADD_FACTS, content.facts)
        sightings = [
            (loan, fetches[fetch], facts[fact], subscribed)
            for loan, fetch, fact, subscribed in content.sightings
        ]
        database.run_many(ADD_SIGHTING, sightings)
        listed = [(fetches[fetch], countries, loan) for fetch, countries, loan in content.listed]
        database.run_many(LIST, listed)


def _added(database: Database, statement: str, rows: Rows) -> dict[int, int]:
    """The new number of each row by its old one."""
    return {old: database.query(statement, *values)[0][0] for old, *values in rows}
