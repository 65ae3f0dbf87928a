"""Fetches the loans that Kameo lists: the main job."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from types import TracebackType
from typing import Annotated, Literal, Self

import msgspec
import structlog
from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from kameo_async.clock import Clock
from kameo_async.jobs.errors import JobFailed
from kameo_async.jobs.kind import Report
from kameo_async.kameo.archive import Archive, ArchiveError, Visit
from kameo_async.kameo.archive.changes import Changes
from kameo_async.kameo.archived_session import ArchivedSessionState
from kameo_async.kameo.client import Query, Upstream
from kameo_async.kameo.config import KameoConfig
from kameo_async.kameo.errors import (
    ConfigurationError,
    KameoError,
    LoginRefusedError,
    RateLimitedError,
    UpstreamInvalidError,
    UpstreamUnavailableError,
)
from kameo_async.kameo.loan import Loan
from kameo_async.kameo.models import ListingPage
from kameo_async.kameo.shared import Shared
from kameo_async.kameo.transport import NoObserver, Observer, open_session
from kameo_async.kinds.dummy_loans import dummy_pages

log = structlog.get_logger()

Country = Literal["SE", "NO", "DK"]

# Loans hold neither a number that is none nor a time without a zone, which msgspec would write as they are.
_encoder = msgspec.json.Encoder(
    decimal_format="number",
    enc_hook=lambda model: model.model_dump(by_alias=True),
)

_ORDER: tuple[Country, ...] = ("SE", "NO", "DK")

# First match counts: the narrower errors of the tree come before the wider.
_CODES: tuple[tuple[type[KameoError], str, bool], ...] = (
    (ConfigurationError, "configuration", False),
    (LoginRefusedError, "login_failed", False),
    (RateLimitedError, "upstream_rate_limited", True),
    (UpstreamUnavailableError, "upstream_unavailable", True),
    (UpstreamInvalidError, "upstream_invalid", False),
    (KameoError, "upstream_invalid", False),
)


def _distinct(countries: tuple[Country, ...]) -> tuple[Country, ...]:
    """In one order and each once, so that the same wish always compares equal."""
    return tuple(code for code in _ORDER if code in countries)


class LoanFetchParams(BaseModel):
    """Which part of the listing to fetch."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)

    limit: int = Field(12, ge=1, le=100, description="loans per page")
    page: int = Field(1, ge=1, description="the first page to read")
    max_pages: int | None = Field(
        None, ge=1, le=1000, description="how many pages to read at most; null reads through the last"
    )
    countries: Annotated[tuple[Country, ...], Field(min_length=1), AfterValidator(_distinct)] = Field(
        ("SE", "DK"), description="the countries whose loans to fetch"
    )


class LoanFetchResult(BaseModel):
    """The loans in the listing's order, each once."""

    model_config = ConfigDict(frozen=True)

    loans: tuple[Loan, ...]
    message: str | None = Field(
        None, exclude_if=lambda message: message is None, description="there only when no loans were found"
    )
    pages: int = Field(description="how many pages were read")
    total: int | None = Field(description="how many loans Kameo says the listing has; null when it does not")
    warnings: tuple[str, ...] = Field((), description="what was left out, or may be missing")
    changes: Changes | None = Field(
        None,
        description="what differs from the last successful fetch of the same countries; "
        "null when the archive could not be used",
    )

    def to_json(self) -> bytes:
        """As `encode` writes any result, but a thousand loans in 1 ms instead of 4."""
        fields = {**vars(self), "loans": [vars(loan) for loan in self.loans]}
        if self.message is None:
            del fields["message"]
        return _encoder.encode(fields)


class _Reading:
    """What one pass through the listing has brought so far."""

    def __init__(self) -> None:
        self.loans: dict[int, Loan] = {}
        self.keys: set[object] = set()
        self.broken: set[int | None] = set()
        self.warnings: dict[str, None] = {}
        self.pages = 0
        self.last: ListingPage | None = None

    def add(self, page: ListingPage) -> None:
        for loan in page.loans:
            self.loans.setdefault(loan.id, loan)
        self.keys.update(page.keys())
        self.broken.update(one.id for one in page.broken)
        self.warnings.update(dict.fromkeys(page.warnings()))
        self.pages += 1
        self.last = page

    def warn(self, text: str) -> None:
        self.warnings[text] = None

    @property
    def total(self) -> int | None:
        return self.last.total if self.last else None

    @property
    def is_complete(self) -> bool:
        return self.total is None or len(self.keys) == self.total

    def visit(self, query: Query) -> Visit:
        """What the archive is told. Where one loan may hide, it cannot say that others are gone."""
        is_whole = self.is_whole(query) and self.is_complete and self.total is not None
        unread = {id_ for id_ in self.broken if id_ is not None}
        return Visit(
            query.countries, tuple(self.loans.values()), unread, is_whole and None not in self.broken
        )

    def is_whole(self, query: Query) -> bool:
        """Whether it went through all pages that there are."""
        return query.page == 1 and self.last is not None and self.pages >= (self.last.last_page or 0)

    def result(self, loans: tuple[Loan, ...], changes: Changes | None) -> LoanFetchResult:
        return LoanFetchResult.model_construct(
            loans=loans,
            message=None if loans else "No loans found",
            pages=self.pages,
            total=self.total,
            warnings=tuple(self.warnings),
            changes=changes,
        )


class _Teller:
    """Turns what happens into progress, counted in pages."""

    def __init__(self, report: Report) -> None:
        self._report = report
        self._done = 0
        self._total: int | None = None

    async def tell(self, message: str) -> None:
        await self._report(self._done, self._total, unit="pages", message=message)

    async def page(self, total: int | None, suffix: str) -> None:
        self._done += 1
        self._total = None if total is None else max(total, self._done)
        of = "" if self._total is None else f" of {self._total}"
        await self.tell(f"Fetched page {self._done}{of}{suffix}")

    def again(self) -> None:
        self._done, self._total = 0, None


class LoanFetchJobService:
    """The kind `fetch-loans`. An async context manager: it holds the connections to Kameo while it is open.

    `read_config` is called when a job starts and may raise ConfigurationError. What the archive in `shared`
    remembers of the fetches before goes into the result; without one that is what this object has seen.
    """

    kind = "fetch-loans"
    title = "Fetch loans"
    description = "Logs in to Kameo and reads its listing of loans, page by page."
    table = "loans"
    Params: type[BaseModel] = LoanFetchParams
    Result: type[BaseModel] = LoanFetchResult

    def __init__(
        self,
        read_config: Callable[[], KameoConfig],
        *,
        clock: Clock,
        shared: Shared | None = None,
        test_mode: bool = False,
        observer: Observer | None = None,
    ) -> None:
        self._read_config = read_config
        self._clock = clock
        self._owns_archive = shared is None
        self._shared = shared or Shared(Archive(None, clock))
        self._test_mode = test_mode
        self._observer = observer or NoObserver()
        self._upstream: Upstream | None = None

    async def __aenter__(self) -> Self:
        if not self._test_mode:
            self._upstream = Upstream(
                open_session(),
                self._clock,
                observer=self._observer,
                logins=self._shared.logins or ArchivedSessionState(self._shared.archive),
                rates_of=self._shared.rates_of,
            )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._owns_archive:
            await self._shared.archive.close()
        if self._upstream is not None:
            upstream, self._upstream = self._upstream, None
            await upstream.session.close()
            await asyncio.sleep(0)  # lets closed transports finish

    async def run(self, params: LoanFetchParams, report: Report) -> LoanFetchResult:
        """Fetches. Raises JobFailed."""
        teller = _Teller(report)
        query = Query(params.limit, params.page, params.max_pages, params.countries)
        try:
            reading = await self._read(self._pages(query, teller), query, teller)
        except KameoError as error:
            raise _failed(error) from error
        return await self._remembered(reading, query)

    def _pages(self, query: Query, teller: _Teller) -> Callable[[], AsyncGenerator[ListingPage, None]]:
        if self._test_mode:
            return lambda: dummy_pages(query, self._clock)
        if self._upstream is None:
            raise RuntimeError("the kind is used outside of its `async with`")
        client = self._upstream.client(self._read_config(), teller.tell)
        return lambda: client.iter_pages(query)

    async def _read(
        self, pages: Callable[[], AsyncGenerator[ListingPage, None]], query: Query, teller: _Teller
    ) -> _Reading:
        """A whole listing that does not add up changed while it was read: once more, then it is told."""
        reading = await _read_once(pages(), query, teller)
        if reading.is_complete or not reading.is_whole(query):
            return reading
        teller.again()
        await teller.tell("The listing changed while it was read; reading it once more")
        reading = await _read_once(pages(), query, teller, " again")
        if not reading.is_complete:
            reading.warn(
                f"Kameo says that there are {reading.total} loans, but {len(reading.keys)} were found:"
                " the listing changes while it is read"
            )
        return reading

    async def _remembered(self, reading: _Reading, query: Query) -> LoanFetchResult:
        """The result with what the archive knows; where it cannot be used, the loans come all the same."""
        visit = reading.visit(query)
        try:
            memory = await self._shared.archive.remember(visit)
        except ArchiveError as error:
            log.warning("archive.not_remembered", reason=str(error))
            reading.warn(f"The loans were not remembered for the next fetch: {error}")
            return reading.result(tuple(visit.loans), None)
        loans = (loan.model_copy(update=memory.pasts[loan.id]._asdict()) for loan in visit.loans)
        return reading.result(tuple(loans), memory.changes)


async def _read_once(
    pages: AsyncGenerator[ListingPage, None], query: Query, teller: _Teller, suffix: str = ""
) -> _Reading:
    reading = _Reading()
    async with aclosing(pages):
        async for page in pages:
            reading.add(page)
            total = None if page.last_page is None else query.count(page.last_page)
            await teller.page(total, suffix)
    return reading


def _failed(error: KameoError) -> JobFailed:
    code, retryable = next((code, retryable) for kind, code, retryable in _CODES if isinstance(error, kind))
    prefix = "Configuration error: " if code == "configuration" else ""
    return JobFailed(code, f"{prefix}{error}", retryable)
