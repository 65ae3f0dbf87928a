"""A thousand loans: from the bytes that Kameo sends to the bytes of the result."""

import gc
import json
import re
import time
from datetime import UTC, datetime
from statistics import median

from kameo_async.jobs.document import encode
from kameo_async.kameo.models import read_page
from kameo_async.kameo.teaser import collateral_value, told_by
from kameo_async.kinds.loan_fetch import LoanFetchResult
from kameo_async.sandbox.data import Market
from tests.benchmarks.report import Report

LOANS, PER_PAGE = 1000, 100
_SITE = "https://www.kameo.se"
_LETTERS = bytes.maketrans(b"0123456789", b"abdefhjklm")


def measure(report: Report, quick: bool) -> None:
    """The medians of many rounds. A service remembers what it read in teasers, and so do the first."""
    pages, rounds = listing(LOANS), 5 if quick else 40
    strange = [_in_words_of_their_own(body) for body in pages]
    gc.freeze()  # as a service does when it has started
    report.set("loans", median([_milliseconds(pages) for _ in range(rounds)]))
    report.set("new_loans", median([_new_milliseconds(pages) for _ in range(rounds)]))
    milliseconds = median([_new_milliseconds(strange) for _ in range(rounds)])
    report.grow("ms: 1,000 new loans, each teaser", "in words of its own", milliseconds)


def _new_milliseconds(pages: list[bytes]) -> float:
    collateral_value.cache_clear()
    told_by.cache_clear()
    return _milliseconds(pages)


def _in_words_of_their_own(page: bytes) -> bytes:
    """The page with a word in each teaser that stands in no other."""
    return re.sub(rb"(?<=#)(\d+) \|", lambda own: own[0] + b" x" + own[1].translate(_LETTERS), page)


def listing(count: int) -> list[bytes]:
    """Pages of the sandbox's loans as the API sends them."""
    now = datetime.now(UTC)
    market = Market(4711, pages=count // 10)
    rows = market.rows(market.listed(now, ("SE", "NO", "DK"))[:count], now)
    bodies = [rows[start : start + PER_PAGE] for start in range(0, count, PER_PAGE)]
    paging = {"total": count, "last_page": len(bodies), "per_page": PER_PAGE}
    return [json.dumps({"data": {"investment_options": body, **paging}}).encode() for body in bodies]


def _milliseconds(pages: list[bytes]) -> float:
    began = time.perf_counter()
    loans = tuple(loan for n, body in enumerate(pages, 1) for loan in read_page(body, n, _SITE).loans)
    result = LoanFetchResult.model_construct(
        loans=loans, pages=len(pages), total=len(loans), warnings=(), message=None, changes=None
    )
    encode(LoanFetchResult.model_validate(result))
    return (time.perf_counter() - began) * 1000
