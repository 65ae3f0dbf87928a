"""Two fixed loans for trying things without a network (`TEST_MODE`)."""

import json
from collections.abc import AsyncGenerator

from kameo_async.clock import Clock
from kameo_async.kameo.client import Query
from kameo_async.kameo.models import ListingPage, read_page

_SITE = "https://www.kameo.se"
_SECONDS = 1.0

_LOANS = (
    {
        "loan_application_id": 1,
        "title": "Dummy Loan 1",
        "application_amount": 100000,
        "annual_interest_rate": 7.5,
        "currency": "SEK",
    },
    {
        "loan_application_id": 2,
        "title": "Dummy Loan 2",
        "application_amount": 250000,
        "annual_interest_rate": 8.2,
        "currency": "DKK",
    },
)
_COUNTRY = {"SEK": "SE", "DKK": "DK"}


async def dummy_pages(query: Query, clock: Clock) -> AsyncGenerator[ListingPage, None]:
    """The pages of a listing of these two, in about a second in all."""
    loans = [loan for loan in _LOANS if _COUNTRY[str(loan["currency"])] in query.countries]
    last_page = max(1, -(-len(loans) // query.limit))
    numbers = range(query.page, max(query.page, query.end(last_page)) + 1)
    for number in numbers:
        await clock.sleep(_SECONDS / len(numbers))
        start = (number - 1) * query.limit
        rows = loans[start : start + query.limit]
        paging = {"total": len(loans), "last_page": last_page}
        body = json.dumps({"data": {"investment_options": rows, **paging}})
        yield read_page(body.encode(), number, _SITE)
