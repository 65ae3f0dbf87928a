"""The faults that the sandbox shows on request."""

import asyncio
from contextlib import AsyncExitStack

import pytest
from aiohttp import ClientPayloadError

from kameo_async.sandbox import Fault, FaultOrder, SandboxOptions, parse_fault, running_sandbox
from tests.sandbox_visitor import NOW, SlowClock, Visitor, visiting, visitor_of

PATH = "/v1/loans/listing/investment-options"


def faulty(*faults: str) -> SandboxOptions:
    """A sandbox that answers at once, with these faults."""
    return SandboxOptions(latency=(0, 0), faults=tuple(map(parse_fault, faults)))


async def ids(visitor: Visitor, page: int) -> list[int]:
    """The ids on a page of the listing."""
    return [row["loan_application_id"] for row in (await visitor.page(page))["investment_options"]]


async def statuses(visitor: Visitor, count: int) -> list[int]:
    """The status of so many calls in a row."""
    return [(await visitor.listing()).status for _ in range(count)]


def test_every_fault_has_a_word() -> None:
    """Each word is parsed as its fault and its usual count, and says what it does."""
    words = ["429", "503", "html502", "hang", "expire"]
    words += ["broken-loan", "duplicate", "truncate", "drift", "maintenance"]
    assert [fault.word for fault in Fault] == words
    assert [parse_fault(word).fault for word in words] == list(Fault)
    assert all(fault.description for fault in Fault)


def test_a_fault_may_have_a_count() -> None:
    """A number after a colon says how often; without it the fault's own count holds."""
    assert parse_fault("503:7") == FaultOrder(Fault.UNAVAILABLE, 7)
    assert parse_fault(" drift ") == FaultOrder(Fault.DRIFT, None)


@pytest.mark.parametrize(
    "text", ["", "teapot", "503:", "503:0", "503:-1", "503:x", "503:1:2", "503:99999999"]
)
def test_what_is_no_fault(text: str) -> None:
    """What is no fault, or has no sane count, is refused with a sentence."""
    with pytest.raises(ValueError, match=r"is no fault; there are 429, 503|as in 503:2"):
        parse_fault(text)


@pytest.mark.parametrize(
    "options",
    [
        {"pages": 0},
        {"pages": 1001},
        {"pace": -1},
        {"pace": float("nan")},
        {"rate_limit": 0},
        {"rate_window": 0},
        {"latency": (2, 1)},
    ],
)
def test_options_out_of_range(options: dict[str, float]) -> None:
    """A number out of range is refused with its name."""
    with pytest.raises(ValueError, match=next(iter(options))):
        SandboxOptions(**options)  # type: ignore[arg-type]


async def test_429() -> None:
    """Three answers are 429 and ask for a second; then all is well."""
    async with visiting(faulty("429")) as visitor:
        await visitor.log_in()
        answer = await visitor.listing()
        assert (answer.status, answer.headers["Retry-After"]) == (429, "1")
        assert int(answer.headers["x-ratelimit-reset"]) == visitor.clock.now().timestamp() + 1
        assert await statuses(visitor, 3) == [429, 429, 200]


async def test_503() -> None:
    """As many answers as ordered are 503 with a JSON message."""
    async with visiting(faulty("503:1")) as visitor:
        await visitor.log_in()
        answer = await visitor.listing()
        assert (answer.status, await answer.json()) == (503, {"message": "Service Unavailable"})
        assert await statuses(visitor, 1) == [200]


async def test_html502() -> None:
    """Two answers are 502 with an HTML page of nginx."""
    async with visiting(faulty("html502")) as visitor:
        await visitor.log_in()
        answer = await visitor.listing()
        assert (answer.status, answer.content_type) == (502, "text/html")
        assert "nginx" in await answer.text()
        assert await statuses(visitor, 2) == [502, 200]


async def test_faults_together() -> None:
    """Faults may be combined, and come one after the other."""
    async with visiting(faulty("429:1", "503:1", "html502:1")) as visitor:
        await visitor.log_in()
        assert await statuses(visitor, 4) == [429, 503, 502, 200]


async def test_hang_ends_with_the_sandbox() -> None:
    """The API never answers, and still the sandbox stops at once."""
    clock = SlowClock(NOW)
    async with asyncio.timeout(0.9), AsyncExitStack() as stack:
        sandbox = await stack.enter_async_context(running_sandbox(faulty("hang"), clock))
        async with visitor_of(sandbox, clock) as visitor:
            call = asyncio.create_task(visitor.listing())
            while not sandbox.record.arrived["GET", PATH]:  # noqa: ASYNC110 - the record has no event
                await asyncio.sleep(0)
            await clock.advance(3600)
            assert not call.done()
            await stack.aclose()
            assert (await call).status == 503


async def test_hang_lets_the_site_answer() -> None:
    """While the API hangs, the login works; with a count later calls are answered."""
    async with visiting(faulty("hang:1")) as visitor:
        await visitor.log_in()
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(visitor.listing(), 0.01)
        assert await statuses(visitor, 1) == [200]


async def test_expire() -> None:
    """After two pages the session is gone, at the site too; the next login lasts."""
    async with visiting(faulty("expire")) as visitor:
        await visitor.log_in()
        assert await statuses(visitor, 4) == [200, 200, 401, 401]
        assert (await visitor.get("/auth/check")).headers["Location"] == "/user/login"
        await visitor.clock.advance(30)
        await visitor.log_in()
        assert await statuses(visitor, 4) == [200] * 4


async def test_broken_loan() -> None:
    """The fifth row of the listing has no readable amount; the others are whole."""
    async with visiting(faulty("broken-loan")) as visitor:
        await visitor.log_in()
        rows = (await visitor.page())["investment_options"]
        broken = [place for place, row in enumerate(rows) if not isinstance(row["application_amount"], int)]
        assert broken == [4]
        assert all(
            isinstance(row["application_amount"], int)
            for row in (await visitor.page(2))["investment_options"]
        )


async def test_broken_loans() -> None:
    """More broken rows are broken in more ways: no title, no id, no object."""
    async with visiting(faulty("broken-loan:4")) as visitor:
        await visitor.log_in()
        rows = (await visitor.page())["investment_options"]
        assert rows[5]["title"] is None
        assert "loan_application_id" not in rows[6]
        assert not isinstance(rows[7], dict)
        assert isinstance(rows[8]["application_amount"], int)


async def test_duplicate() -> None:
    """Once, page 2 starts with the last loan of page 1 and lacks one; read again it is whole."""
    async with visiting(faulty("duplicate")) as visitor:
        await visitor.log_in()
        first, moved, again = await ids(visitor, 1), await ids(visitor, 2), await ids(visitor, 2)
        assert moved[0] == first[-1]
        assert moved[1:] == again[1:]
        assert again[0] not in {*first, *moved}


async def test_truncate() -> None:
    """A body ends in the middle, short of its Content-Length; after two all is well."""
    async with visiting(faulty("truncate")) as visitor:
        await visitor.log_in()
        for _ in range(2):
            with pytest.raises(ClientPayloadError, match="Not enough data to satisfy content length"):
                await visitor.listing()
        assert len((await visitor.page())["investment_options"]) == 12


async def test_drift() -> None:
    """`total` is one more on even pages, and `last_page` follows it."""
    async with visiting(faulty("drift")) as visitor:
        await visitor.log_in()
        assert [(await visitor.page(page))["total"] for page in (1, 2, 3, 4)] == [80, 81, 80, 81]
        assert (await visitor.page(2, limit=80))["last_page"] == 2


async def test_maintenance() -> None:
    """Every request, to the site and to the API, gets 503 with an HTML page."""
    async with visiting(faulty("maintenance")) as visitor:
        for answer in (await visitor.get("/user/login"), await visitor.listing(), await visitor.get("/nope")):
            assert (answer.status, answer.content_type) == (503, "text/html")


async def test_maintenance_may_end() -> None:
    """With a count the maintenance ends after so many requests."""
    async with visiting(faulty("maintenance:2")) as visitor:
        pages = [(await visitor.get("/user/login")).status for _ in range(3)]
        assert pages == [503, 503, 200]


async def test_nothing_is_logged_as_an_error(caplog: pytest.LogCaptureFixture) -> None:
    """Faults are meant, so the server tells of no error of its own."""
    async with visiting(faulty("truncate:1", "429:1", "hang:1")) as visitor:
        await visitor.log_in()
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(visitor.listing(), 0.01)
        assert await statuses(visitor, 1) == [429]
        with pytest.raises(ClientPayloadError):
            await visitor.listing()
    assert caplog.records == []
