"""What the archive adds to a fetch, through the kind `fetch-loans`."""

import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from kameo_async.jobs.document import JsonNumbers, decode, encode
from kameo_async.kameo.archive import Archive
from kameo_async.kameo.shared import Shared
from kameo_async.kinds.loan_fetch import LoanFetchJobService, LoanFetchParams, LoanFetchResult
from tests.scripted_upstream import (
    Recorder,
    ScriptedUpstream,
    SkippingClock,
    answering,
    listing,
    row,
    scripted_upstream,
)

LISTING = "GET /v1/loans/listing/investment-options"
START = datetime(2026, 1, 31, 12, tzinfo=UTC)


class Process:
    """One process's fetches."""

    def __init__(self, kind: LoanFetchJobService, clock: SkippingClock) -> None:
        self.kind = kind
        self.clock = clock
        self.report = Recorder()

    async def __call__(self, **wanted: Any) -> LoanFetchResult:
        return await self.kind.run(LoanFetchParams(**wanted), self.report)


@asynccontextmanager
async def process(
    kameo: ScriptedUpstream, path: Path | None, start: datetime = START
) -> AsyncIterator[Process]:
    """A process that uses the archive in `path`."""
    clock = SkippingClock(start)
    async with (
        Archive(path, clock) as archive,
        LoanFetchJobService(kameo.config, clock=clock, shared=Shared(archive)) as kind,
    ):
        yield Process(kind, clock)


@pytest.fixture
async def kameo() -> AsyncIterator[ScriptedUpstream]:
    """A Kameo of one's own."""
    async with scripted_upstream() as upstream:
        yield upstream


@pytest.fixture
async def fetch(kameo: ScriptedUpstream) -> AsyncIterator[Process]:
    """Fetches with an archive in memory."""
    async with process(kameo, None) as one:
        yield one


async def test_the_second_fetch_tells_what_changed(fetch: Process, kameo: ScriptedUpstream) -> None:
    """The result's `changes` and its loans' past are as the contract says, digit for digit."""
    kameo.rows = [row(1, subscribed_amount=100), row(2)]
    first = decode(encode(await fetch()))
    assert first["changes"] == {"since": None, "new": [], "gone": [], "changed": []}
    assert (first["loans"][0]["first_seen_at"], first["loans"][0]["subscribed_per_hour"]) == (
        "2026-01-31T12:00:00Z",
        None,
    )
    fetch.clock.advance(1800)
    kameo.rows = [row(3), row(1, subscribed_amount=250.5)]
    second = decode(encode(await fetch()))
    assert second["changes"] == {
        "since": "2026-01-31T12:00:00Z",
        "new": [3],
        "gone": [2],
        "changed": [{"id": 1, "field": "subscribed_amount", "from": 100, "to": Decimal("250.5")}],
    }
    past = {one["id"]: (one["first_seen_at"], one["subscribed_per_hour"]) for one in second["loans"]}
    assert past == {
        3: ("2026-01-31T12:30:00Z", None),
        1: ("2026-01-31T12:00:00Z", Decimal("301.00")),
    }


async def test_fields_stand_where_the_contract_has_them(fetch: Process) -> None:
    """The four fields come between `language` and `state_id`; `changes` comes last."""
    result = decode(encode(await fetch()))
    names = list(result["loans"][0])
    start = names.index("language") + 1
    assert names[start : start + 5] == [
        "first_seen_at",
        "subscribed_per_hour",
        "collateral_value",
        "loan_to_value",
        "state_id",
    ]
    assert list(result) == ["loans", "pages", "total", "warnings", "changes"]


async def test_fields_of_ours_are_not_kameos_to_send(fetch: Process, kameo: ScriptedUpstream) -> None:
    """A field on the wire that happens to have our name changes nothing."""
    ours = {"first_seen_at": "x", "subscribed_per_hour": "x", "collateral_value": 5, "loan_to_value": "x"}
    kameo.rows = [row(1, **ours)]
    [loan] = (await fetch()).loans
    assert (loan.first_seen_at, loan.subscribed_per_hour) == (START, None)
    assert (loan.collateral_value, loan.loan_to_value) == (None, None)


async def test_the_teaser_gives_the_loan_to_value(fetch: Process, kameo: ScriptedUpstream) -> None:
    """The value that the teaser tells, and the loan's share of it."""
    kameo.rows = [
        row(1, application_amount=12500000, teaser="#1 | Fastigheten är värderad till SEK 31 000 000")
    ]
    [loan] = (await fetch()).loans
    assert (str(loan.collateral_value), str(loan.loan_to_value)) == ("31000000", "0.4032")


@pytest.mark.parametrize("amount", ["1e400", '"12"', "NaN", "Infinity", "-1", "0", "true", "[]"])
async def test_strange_amounts_beside_a_teaser(fetch: Process, kameo: ScriptedUpstream, amount: str) -> None:
    """An amount that is none loses its loan at most, never the job."""
    one = row(1, application_amount="AMOUNT", teaser="värderad till SEK 31 000 000")
    body = json.dumps(listing([one], 1, 12)).replace('"AMOUNT"', amount)
    kameo.script(LISTING, answering(body=body))
    result = await fetch()
    assert [loan.loan_to_value for loan in result.loans] in ([], [None])


@pytest.mark.parametrize(
    "wanted", [{"page": 2}, {"max_pages": 1}, {"limit": 5, "max_pages": 2}, {"countries": ("NO",)}]
)
async def test_a_part_makes_nothing_gone(fetch: Process, kameo: ScriptedUpstream, wanted: Any) -> None:
    """Some pages, or other countries, say nothing of the rest."""
    await fetch()
    kameo.rows = kameo.rows[10:]
    result = await fetch(**wanted)
    assert result.changes is not None
    assert result.changes.gone == ()
    whole = (await fetch()).changes
    assert whole is not None
    assert whole.gone == tuple(range(1, 11))


async def test_what_could_hide_a_loan_makes_nothing_gone(fetch: Process, kameo: ScriptedUpstream) -> None:
    """A broken row without an id, a listing that does not add up, or one without a total."""
    await fetch()
    rows = kameo.rows
    kameo.rows = ["no loan", *rows[1:]]
    unnamed = (await fetch()).changes
    kameo.rows = [*rows[:-1], rows[0]]
    drifting = (await fetch()).changes
    kameo.script(LISTING, answering(body={"data": rows[:3]}))
    unnumbered = (await fetch()).changes
    for changes in (unnamed, drifting, unnumbered):
        assert changes is not None
        assert (changes.since is not None, changes.gone, changes.new) == (True, (), ())


async def test_a_broken_loan_is_not_gone(fetch: Process, kameo: ScriptedUpstream) -> None:
    """One that cannot be read today is neither gone today nor new tomorrow."""
    kameo.rows = [row(1), row(2), row(3)]
    await fetch()
    kameo.rows = [row(1), row(2, application_amount="much")]
    changes = (await fetch()).changes
    assert changes is not None
    assert changes.gone == (3,)
    kameo.rows = [row(1), row(2)]
    assert not (await fetch()).changes


async def test_the_past_outlives_the_process(kameo: ScriptedUpstream, tmp_path: Path) -> None:
    """The next process knows what this one saw."""
    path = tmp_path / "a.sqlite3"
    async with process(kameo, path) as fetch:
        await fetch()
    async with process(kameo, path, START + timedelta(days=1)) as fetch:
        result = await fetch()
    assert result.changes is not None
    assert result.changes.since == START
    assert {loan.first_seen_at for loan in result.loans} == {START}


async def test_a_failed_fetch_leaves_nothing(fetch: Process, kameo: ScriptedUpstream) -> None:
    """Only what succeeded is compared with."""
    await fetch()
    fetch.clock.advance(60)
    kameo.script(LISTING, answering(body=listing(kameo.rows, 1, 12)), answering(404, {"message": "x"}))
    with pytest.raises(Exception, match="404"):
        await fetch()
    changes = (await fetch()).changes
    assert changes is not None
    assert changes.since == START


async def test_an_archive_that_cannot_be_used_costs_a_warning(
    kameo: ScriptedUpstream, tmp_path: Path
) -> None:
    """The loans come, the log-in works, `changes` is null and a warning says why."""
    kameo.two_factor = True
    async with process(kameo, tmp_path) as fetch:  # a folder is no file
        result = await fetch()
    assert (len(result.loans), result.changes) == (30, None)
    [warning] = result.warnings
    assert warning.startswith("The loans were not remembered for the next fetch: /")
    assert {loan.first_seen_at for loan in result.loans} == {None}


async def test_processes_use_no_code_twice(kameo: ScriptedUpstream, tmp_path: Path) -> None:
    """A process that comes within the same 30 seconds waits for the next code; no name is in the file."""
    kameo.two_factor = True
    path = tmp_path / "a.sqlite3"
    now = datetime.fromtimestamp(time.time() // 30 * 30 + 5, UTC)
    for waits in (0, 1):
        async with process(kameo, path, now) as fetch:
            await fetch(max_pages=1)
            told = [text for text in fetch.report.messages if "for the next two-factor code" in text]
            assert len(told) == waits
    codes = [form["code"] for form in kameo.forms if "code" in form]
    assert len(set(codes)) == len(codes) == 2
    content = path.read_bytes()
    for secret in ("lender@example.org", "correct horse battery", "jbsw", *codes):
        assert secret.encode() not in content


def test_the_schema_tells_numbers_and_times() -> None:
    """Exports and forms find the new fields' types."""
    schema = LoanFetchResult.model_json_schema(schema_generator=JsonNumbers, mode="serialization")
    loan = schema["$defs"]["Loan"]["properties"]
    assert loan["first_seen_at"]["anyOf"][0]["format"] == "date-time"
    assert loan["loan_to_value"]["anyOf"][0]["type"] == "number"
    assert "better right" in loan["loan_to_value"]["description"]
