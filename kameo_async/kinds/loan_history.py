"""What the fetches so far saw of each loan: the archive as a job."""

import re
from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Final

from pydantic import AfterValidator, AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field
from pydantic_core import PydanticCustomError

from kameo_async.jobs.errors import JobFailed
from kameo_async.jobs.kind import Report
from kameo_async.kameo.archive import Archive, ArchiveError, Sighting
from kameo_async.kameo.loan import Number, Time, fraction

MAX_ROWS = 20_000  # more would hold up the service while they are encoded
_SLICE = 500
_TIME: Final = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:", re.ASCII)

_TOO_MANY = "Only the newest {} rows are here: ask for fewer loans, or a shorter time"

Id = Annotated[int, Field(ge=0, le=2**63 - 1)]


def _distinct(ids: tuple[int, ...] | None) -> tuple[int, ...] | None:
    """In one order and each once, so that the same wish always compares equal."""
    return None if ids is None else tuple(sorted(set(ids)))


def _time(value: object) -> object:
    """A text as the time that it is; pydantic would take a year for seconds since 1970."""
    if not isinstance(value, str):
        return value
    try:
        return datetime.fromisoformat(value.upper() if _TIME.match(value) else "")
    except ValueError:
        raise PydanticCustomError("datetime_parsing", "this is no time") from None


Ids = Annotated[tuple[Id, ...], Field(min_length=1, max_length=100)]
Moment = Annotated[AwareDatetime, BeforeValidator(_time)]


class LoanHistoryParams(BaseModel):
    """Which loans, and which part of their past."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)

    ids: Annotated[Ids | None, AfterValidator(_distinct)] = Field(None, description="the loans; null is all")
    start: Moment | None = Field(None, alias="from", description="nothing seen before this time")
    end: Moment | None = Field(None, alias="to", description="nothing seen after this time")


class LoanHistoryRow(BaseModel):
    """A loan when a fetch saw it first, or saw that it had changed."""

    model_config = ConfigDict(frozen=True)

    id: int
    title: str
    seen_at: Time
    subscribed_amount: Number | None = Field(description="how much was offered by lenders")
    funded_fraction: Number | None = Field(description="1 is fully subscribed; six places")
    state: str | None


class LoanHistoryResult(BaseModel):
    """What was seen, oldest first."""

    model_config = ConfigDict(frozen=True)

    rows: tuple[LoanHistoryRow, ...]
    message: str | None = Field(
        None, exclude_if=lambda message: message is None, description="there only when nothing was seen"
    )
    warnings: tuple[str, ...] = Field((), description="what was left out")


class LoanHistoryJobService:
    """The kind `loan-history`."""

    kind = "loan-history"
    title = "Loan history"
    description = "How loans filled up, as the fetches so far saw it; asks Kameo nothing."
    table = "rows"
    Params: type[BaseModel] = LoanHistoryParams
    Result: type[BaseModel] = LoanHistoryResult

    def __init__(self, archive: Archive, *, max_rows: int = MAX_ROWS) -> None:
        self._archive = archive
        self._max_rows = max_rows

    async def run(self, params: LoanHistoryParams, report: Report) -> LoanHistoryResult:
        """Reads. Raises JobFailed."""
        await report(0, unit="rows", message="Reading the archive")
        limit = self._max_rows + 1
        try:
            seen = await self._archive.history(params.ids, params.start, params.end, limit=limit)
        except ArchiveError as error:
            raise JobFailed("archive_unavailable", f"The archive cannot be read: {error}", True) from error
        warnings = (_TOO_MANY.format(self._max_rows),) if len(seen) == limit else ()
        rows = await _rows(seen[-self._max_rows :], report)
        message = None if rows else "Nothing was seen"
        return LoanHistoryResult.model_construct(rows=rows, message=message, warnings=warnings)


async def _rows(seen: Sequence[Sighting], report: Report) -> tuple[LoanHistoryRow, ...]:
    """Slice by slice, so that the loop is never held for long."""
    rows: list[LoanHistoryRow] = []
    for start in range(0, len(seen), _SLICE):
        rows += map(_row, seen[start : start + _SLICE])
        await report(len(rows), len(seen), unit="rows", message=f"Read {len(rows)} of {len(seen)} rows")
    return tuple(rows)


def _row(seen: Sighting) -> LoanHistoryRow:
    return LoanHistoryRow.model_construct(
        id=seen.loan_id,
        title=seen.title,
        seen_at=seen.seen_at,
        subscribed_amount=seen.subscribed_amount,
        funded_fraction=fraction(seen.subscribed_amount, seen.amount),
        state=seen.state,
    )
