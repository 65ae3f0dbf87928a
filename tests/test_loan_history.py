"""The kind `loan-history`."""

from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from kameo_async import export
from kameo_async.jobs import params
from kameo_async.jobs.document import JsonNumbers, decode, encode
from kameo_async.jobs.errors import InvalidParamsError, JobFailed
from kameo_async.kameo.archive import Archive
from kameo_async.kinds.loan_history import LoanHistoryJobService, LoanHistoryParams, LoanHistoryResult
from tests.archived import Fetches, fetches, loan
from tests.clock import FakeClock


class Report:
    """A job's report that nobody reads."""

    async def __call__(
        self, done: int, total: int | None = None, *, unit: str = "", message: str = ""
    ) -> None: ...

    def from_thread(
        self, done: int, total: int | None = None, *, unit: str = "", message: str = ""
    ) -> None: ...


async def history(archive: Archive, max_rows: int = 100, **wanted: Any) -> LoanHistoryResult:
    """Runs the job with JSON params."""
    kind = LoanHistoryJobService(archive, max_rows=max_rows)
    checked = params.validate(LoanHistoryParams, wanted)
    restored = params.restore(LoanHistoryParams, params.canonical(checked))
    assert isinstance(restored, LoanHistoryParams)
    return await kind.run(restored, Report())


@pytest.fixture
async def fetch() -> AsyncIterator[Fetches]:
    """An archive that has seen two loans, one of them fill up."""
    async with fetches(None) as opened:
        await opened(loan(1, 0, application_amount=3000), loan(2, None, title="=Two"))
        await opened(loan(1, 1000.50, application_amount=3000), loan(2, None, title="=Two"))
        yield opened


async def test_rows_oldest_first(fetch: Fetches) -> None:
    """Each row is a loan as it was seen, with the contract's fields in their order."""
    result = decode(encode(await history(fetch.archive)))
    assert result == {
        "rows": [
            {
                "id": 1,
                "title": "Loan 1",
                "seen_at": "2026-01-31T13:00:00Z",
                "subscribed_amount": 0,
                "funded_fraction": Decimal("0.000000"),
                "state": "Open",
            },
            {
                "id": 2,
                "title": "=Two",
                "seen_at": "2026-01-31T13:00:00Z",
                "subscribed_amount": None,
                "funded_fraction": None,
                "state": "Open",
            },
            {
                "id": 1,
                "title": "Loan 1",
                "seen_at": "2026-01-31T14:00:00Z",
                "subscribed_amount": Decimal("1000.5"),
                "funded_fraction": Decimal("0.333500"),
                "state": "Open",
            },
        ],
        "warnings": [],
    }
    assert list(result["rows"][0]) == [
        "id",
        "title",
        "seen_at",
        "subscribed_amount",
        "funded_fraction",
        "state",
    ]


@pytest.mark.parametrize(
    ("wanted", "ids"),
    [
        ({}, [1, 2, 1]),
        ({"ids": [2]}, [2]),
        ({"ids": [2, 1]}, [1, 2, 1]),
        ({"ids": [1, 9]}, [1, 1]),
        ({"ids": None}, [1, 2, 1]),
        ({"from": "2026-01-31T14:00:00Z"}, [1]),
        ({"to": "2026-01-31T14:00:00+01:00"}, [1, 2]),
        ({"from": "2026-01-31T12:00:00Z", "to": "2026-01-31T15:00:00Z", "ids": [1]}, [1, 1]),
    ],
)
async def test_params_choose_rows(fetch: Fetches, wanted: dict[str, Any], ids: list[int]) -> None:
    """Some loans, some time, or all."""
    assert [row.id for row in (await history(fetch.archive, **wanted)).rows] == ids


@pytest.mark.parametrize(
    "wanted",
    [
        {"ids": []},
        {"ids": list(range(101))},
        {"ids": [True]},
        {"ids": [-1]},
        {"ids": [1.5]},
        {"ids": [2**63]},
        {"ids": "1"},
        {"ids": ["1"]},
        {"ids": [1] * 101},
        {"from": "2026"},
        {"from": "20260131T140000Z"},
        {"to": "1769860800"},
        {"from": "2026-01-31T14:00:00"},
        {"from": 5},
        {"start": "2026-01-31T14:00:00Z"},
        {"limit": 1},
    ],
)
async def test_wrong_params_are_refused(fetch: Fetches, wanted: dict[str, Any]) -> None:
    """Out of range, of the wrong type, without a time zone, or unknown."""
    with pytest.raises(InvalidParamsError):
        await history(fetch.archive, **wanted)


def test_params_that_mean_the_same_are_equal() -> None:
    """Ids in any order and each once, so that one key of idempotency means one job."""
    one = params.canonical(params.validate(LoanHistoryParams, {"ids": [3, 1, 3]}))
    assert one == params.canonical(params.validate(LoanHistoryParams, {"ids": [1, 3]}))
    assert b'"from":null' in one


async def test_nothing_seen_says_so(fetch: Fetches) -> None:
    """An empty result has a message."""
    result = await history(fetch.archive, ids=[9])
    assert (result.rows, result.message, result.warnings) == ((), "Nothing was seen", ())


async def test_too_many_rows_lose_the_oldest(fetch: Fetches) -> None:
    """What does not fit is told in a warning."""
    result = await history(fetch.archive, max_rows=2)
    assert ([row.id for row in result.rows], len(result.warnings)) == ([2, 1], 1)
    assert not (await history(fetch.archive, max_rows=3)).warnings


async def test_an_archive_that_cannot_be_read(tmp_path: Path) -> None:
    """The job fails in one sentence, and may be tried again."""
    async with Archive(tmp_path, FakeClock()) as archive:
        with pytest.raises(JobFailed, match="cannot be read") as caught:
            await history(archive)
    assert (caught.value.code, caught.value.retryable) == ("archive_unavailable", True)


async def test_it_is_a_table(fetch: Fetches) -> None:
    """Columns have their kinds, and a title is no formula."""
    schema = LoanHistoryResult.model_json_schema(schema_generator=JsonNumbers, mode="serialization")
    columns = export.columns(schema, LoanHistoryJobService.table)
    kinds = [column.kind for column in columns]
    assert kinds == ["integer", "text", "date-time", "number", "number", "text"]
    rows = decode(encode(await history(fetch.archive)))["rows"]
    lines = export.to_csv(columns, rows, "sv").decode("utf-8-sig").splitlines()
    assert lines[2] == "2;'=Two;2026-01-31T13:00:00Z;;;Open"
    assert lines[3] == "1;Loan 1;2026-01-31T14:00:00Z;1000,5;0,333500;Open"


def test_params_have_a_schema_for_forms() -> None:
    """The names on the wire are `ids`, `from` and `to`."""
    schema = LoanHistoryParams.model_json_schema(schema_generator=JsonNumbers, mode="validation")
    assert list(schema["properties"]) == ["ids", "from", "to"]
    assert {"format": "date-time", "type": "string"} in schema["properties"]["from"]["anyOf"]
