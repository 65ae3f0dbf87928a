"""The kind `fetch-loans` against a scripted Kameo."""

import asyncio
import json
from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any

import pytest
from aiohttp import web
from pydantic import SecretStr

from kameo_async.jobs.errors import InvalidParamsError, JobFailed
from kameo_async.jobs.params import validate
from kameo_async.kameo.config import KameoConfig
from kameo_async.kameo.errors import ConfigurationError
from kameo_async.kinds.loan_fetch import LoanFetchJobService, LoanFetchParams, LoanFetchResult
from tests.scripted_upstream import (
    EMAIL,
    PASSWORD,
    TOTP_SECRET,
    Recorder,
    ScriptedUpstream,
    SkippingClock,
    answering,
    dropping,
    html,
    listing,
    redirect,
    row,
    scripted_upstream,
)

LISTING = "GET /v1/loans/listing/investment-options"
LISTING_PATH = "/v1/loans/listing/investment-options"


@pytest.fixture
async def kameo() -> AsyncIterator[ScriptedUpstream]:
    """A Kameo of one's own."""
    async with scripted_upstream() as upstream:
        yield upstream


@pytest.fixture
def clock() -> SkippingClock:
    """A clock that nobody waits for."""
    return SkippingClock()


class Fetch:
    """Runs jobs of one process."""

    def __init__(self, service: LoanFetchJobService, config: dict[str, Any]) -> None:
        self._service = service
        self.config = config
        self.report = Recorder()

    async def __call__(self, **params: Any) -> LoanFetchResult:
        return await self._service.run(LoanFetchParams(**params), self.report)

    async def failure(self, **params: Any) -> JobFailed:
        with pytest.raises(JobFailed) as caught:
            await self(**params)
        return caught.value


@pytest.fixture
async def fetch(kameo: ScriptedUpstream, clock: SkippingClock) -> AsyncIterator[Fetch]:
    """Runs jobs against `kameo`."""
    config: dict[str, Any] = {}
    async with LoanFetchJobService(lambda: kameo.config(**config), clock=clock) as service:
        yield Fetch(service, config)


def ids(result: LoanFetchResult) -> list[int]:
    """The ids, in order."""
    return [loan.id for loan in result.loans]


async def test_reads_all_pages_in_order(fetch: Fetch, kameo: ScriptedUpstream):
    """All loans come in the listing's order, with progress page by page."""
    result = await fetch()
    assert ids(result) == list(range(1, 31))
    assert (result.pages, result.total, result.warnings, result.message) == (3, 30, (), None)
    assert fetch.report.told[-1] == (3, 3, "Fetched page 3 of 3")
    assert "Logging in to Kameo" in fetch.report.messages


async def test_only_reads(fetch: Fetch, kameo: ScriptedUpstream):
    """The API is asked nothing but GET, and only for the listing."""
    kameo.two_factor = True
    await fetch()
    api = [(method, path) for method, path in kameo.seen if path.startswith("/v1")]
    assert set(api) == {("GET", LISTING_PATH)}


async def test_window(fetch: Fetch, kameo: ScriptedUpstream):
    """`page` and `max_pages` read that window alone."""
    result = await fetch(limit=5, page=2, max_pages=2)
    assert ids(result) == list(range(6, 16))
    assert fetch.report.told[-1] == (2, 2, "Fetched page 2 of 2")
    assert kameo.count("GET", LISTING_PATH) == 2


async def test_countries_in_query(fetch: Fetch, kameo: ScriptedUpstream):
    """Countries, limit and page are asked for in Kameo's own words."""
    await fetch(countries=("NO",), limit=50)
    assert kameo.requests[-1].headers["Referer"] == f"{kameo.base_url}/aktuella-lan"
    assert dict(kameo.requests[-1].query) == {
        "subscription_origin_sweden": "0",
        "subscription_origin_norway": "1",
        "subscription_origin_denmark": "0",
        "limit": "50",
        "page": "1",
    }


async def test_page_past_the_last(fetch: Fetch):
    """A page past the last gives no loans and says so."""
    result = await fetch(page=9)
    assert (result.loans, result.message, result.total) == ((), "No loans found", 30)
    assert "message" not in (await fetch()).model_dump()


async def test_older_shape(fetch: Fetch, kameo: ScriptedUpstream):
    """The shape without paging is read until a page is not full."""
    kameo.script(
        LISTING,
        answering(body={"data": [row(n) for n in range(1, 13)]}),
        answering(body={"data": [row(13)]}),
    )
    result = await fetch()
    assert ids(result) == list(range(1, 14))
    assert result.total is None


async def test_older_shape_that_ignores_the_page(fetch: Fetch, kameo: ScriptedUpstream):
    """A list that answers the same for every page is read once."""
    kameo.always[LISTING] = answering(body={"data": [row(n) for n in range(1, 13)]})
    assert len((await fetch()).loans) == 12
    assert kameo.count("GET", LISTING_PATH) == 2


async def test_no_more_pages_at_once_than_may_be(fetch: Fetch, kameo: ScriptedUpstream):
    """All but the first page are asked for at the same time, as many as the setting allows."""
    fetch.config["max_concurrency"] = 3
    under_way: list[web.Request] = []
    most: list[int] = []

    async def slow(request: web.Request) -> web.StreamResponse:
        under_way.append(request)
        most.append(len(under_way))
        await asyncio.sleep(0.005)
        under_way.remove(request)
        return await answering(body=listing(kameo.rows, int(request.query["page"]), 3))(request)

    kameo.always[LISTING] = slow
    assert len((await fetch(limit=3)).loans) == 30
    assert max(most) == 3


async def test_a_cancel_ends_what_is_asked_for_at_the_same_time(fetch: Fetch, kameo: ScriptedUpstream):
    """The job's task stops at once, though two pages are still waited for."""
    asked, over = asyncio.Event(), asyncio.Event()

    async def late(request: web.Request) -> web.StreamResponse:
        if request.query["page"] != "1":
            asked.set()
            await over.wait()
        return await answering(body=listing(kameo.rows, int(request.query["page"]), 12))(request)

    kameo.always[LISTING] = late
    job = asyncio.create_task(fetch())
    await asked.wait()
    job.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(job, 1)
    over.set()


async def test_broken_loans_lose_a_row(fetch: Fetch, kameo: ScriptedUpstream):
    """A broken loan is left out, named in a warning, and counts toward the total."""
    kameo.rows[13] = row(14, application_amount="mycket")
    kameo.rows[14] = "no loan"
    result = await fetch()
    assert len(result.loans) == 28
    assert result.warnings == (
        "Loan 14 on page 2 was left out: amount is not a number",
        "The loan at place 3 on page 2 was left out: it is not an object",
    )
    assert kameo.count("GET", LISTING_PATH) == 3


async def test_listing_that_does_not_add_up(fetch: Fetch, kameo: ScriptedUpstream):
    """A listing that does not add up is read once more, and then told as a warning."""
    kameo.rows[29] = row(1)
    result = await fetch()
    assert ids(result) == list(range(1, 30))
    assert kameo.count("GET", LISTING_PATH) == 6
    assert "30 loans, but 29 were found" in result.warnings[0]


async def test_listing_that_adds_up_at_the_second_reading(fetch: Fetch, kameo: ScriptedUpstream):
    """A loan that moved while it was read is found by the second reading, without a warning."""
    kameo.script(
        LISTING, answering(body=listing(kameo.rows[:11] + kameo.rows[10:], 1, 12, total=30, last_page=3))
    )
    result = await fetch()
    assert (len(result.loans), result.warnings) == (30, ())


async def test_listing_that_grows(fetch: Fetch, kameo: ScriptedUpstream):
    """Pages that are added while the listing is read are read too, and the last one's total is the truth."""
    kameo.script(LISTING, answering(body=listing(kameo.rows, 1, 12, total=20, last_page=2)))
    result = await fetch()
    assert (len(result.loans), result.total) == (30, 30)
    assert kameo.count("GET", LISTING_PATH) == 3


async def test_exact_numbers(fetch: Fetch, kameo: ScriptedUpstream):
    """Amounts and rates keep the digits that Kameo sent."""
    text = json.dumps(listing([row(1)], 1, 12)).replace("1000", "12345678901234567.10")
    kameo.script(LISTING, answering(body=text))
    assert str((await fetch()).loans[0].amount) == "12345678901234567.10"


# The login


async def test_two_factor(fetch: Fetch, kameo: ScriptedUpstream):
    """The code goes with the token of the form that posts to /auth/2fa, the password with the page's."""
    kameo.two_factor = True
    await fetch()
    password, code = kameo.forms
    assert password == {"Login": EMAIL, "Password": PASSWORD, "LoginButton": "", "RedirectURI": ""}
    assert code["ezxform_token"] == "0123456789abcdef0123456789abcdef01234567"
    assert (len(code["code"]), code["submit_code"]) == (6, "")
    posts = [request for request in kameo.requests if request.method == "POST"]
    assert posts[0].headers["X-CSRF-Token"] == "cafe"
    assert posts[0].headers["Origin"] == kameo.base_url
    assert posts[0].headers["Referer"] == f"{kameo.base_url}/user/login"


async def test_one_login_for_all_jobs(fetch: Fetch, kameo: ScriptedUpstream):
    """Jobs at the same time share one login."""
    await asyncio.gather(*(fetch(max_pages=1) for _ in range(5)))
    assert kameo.count("POST", "/user/login") == 1


async def test_login_again_once(fetch: Fetch, kameo: ScriptedUpstream):
    """A session that runs out in the middle of a job costs one login, whatever runs at the same time."""
    await fetch(max_pages=1)
    kameo.sessions.clear()
    assert len((await fetch(limit=1)).loans) == 30
    assert kameo.count("POST", "/user/login") == 2


@pytest.mark.parametrize("path", ["/user/login", "/auth/2fa"])
async def test_redirect_of_an_api_call_to_the_login(fetch: Fetch, kameo: ScriptedUpstream, path: str):
    """A redirect of an API call to the login page means that the session has run out."""
    await fetch(max_pages=1)

    async def sent_away(request: web.Request) -> web.StreamResponse:
        return redirect(f"{kameo.base_url}{path}")

    kameo.script(LISTING, sent_away)
    assert len((await fetch()).loans) == 30
    assert kameo.count("POST", "/user/login") == 2


async def test_session_never_accepted(fetch: Fetch, kameo: ScriptedUpstream):
    """An API that never takes the session ends the job after the second login."""
    kameo.always[LISTING] = answering(401, {"message": "Unauthenticated."})
    assert (await fetch.failure()).code == "login_failed"
    assert kameo.count("POST", "/user/login") == 2


async def test_wrong_password_is_not_tried_again(fetch: Fetch, kameo: ScriptedUpstream):
    """After a refused password no job tries it again; a changed one is tried."""
    fetch.config["password"] = SecretStr("wrong")
    failures = await asyncio.gather(*(fetch.failure() for _ in range(3)))
    assert {(one.code, one.retryable) for one in failures} == {("login_failed", False)}
    assert kameo.count("POST", "/user/login") == 1
    fetch.config["password"] = SecretStr(PASSWORD)
    assert (await fetch()).loans


async def test_wrong_code(fetch: Fetch, kameo: ScriptedUpstream):
    """A refused code ends the job with Kameo's reason, and is not tried again."""
    kameo.two_factor = True

    async def refuse(request: web.Request) -> web.StreamResponse:
        return html("<div class='x alert-danger'>Fel <b>kod</b><br></div> more")

    kameo.script("POST /auth/2fa", refuse)
    failure = await fetch.failure()
    assert failure.code == "login_failed"
    assert 'it says "Fel kod"' in failure.message
    assert (await fetch.failure()).code == "login_failed"
    assert kameo.count("POST", "/auth/2fa") == 1


async def test_refusal_that_repeats_secrets(fetch: Fetch, kameo: ScriptedUpstream):
    """Kameo's reason is kept back when it repeats what was sent."""
    kameo.two_factor = True

    async def refuse(request: web.Request) -> web.StreamResponse:
        return html(f"<p class=alert-danger>{PASSWORD} {kameo.forms[-1]['code']} {TOTP_SECRET}</p>")

    kameo.script("POST /auth/2fa", refuse)
    failure = await fetch.failure()
    assert "it says" not in failure.message
    assert PASSWORD not in repr(failure.__cause__)


@pytest.mark.parametrize("reason", ["Konto 4711 spärrat", f"Fel: {PASSWORD}", f"Fel: {EMAIL.upper()}", ""])
async def test_reasons_that_are_kept_back(fetch: Fetch, kameo: ScriptedUpstream, reason: str):
    """A reason with digits, which may be a code, or with what was sent is not passed on."""
    kameo.two_factor = True

    async def refuse(request: web.Request) -> web.StreamResponse:
        return html(f"<p class=alert-danger>{reason}</p>")

    kameo.script("POST /auth/2fa", refuse)
    assert "it says" not in (await fetch.failure()).message


async def test_code_is_never_used_twice(fetch: Fetch, kameo: ScriptedUpstream, clock: SkippingClock):
    """A second login in the same window waits for the next code, and says so."""
    kameo.two_factor = True
    await fetch(max_pages=1)
    kameo.sessions.clear()
    await fetch(max_pages=1)
    codes = [form["code"] for form in kameo.forms if "code" in form]
    assert len(set(codes)) == 2
    assert sum(clock.waits) <= 31
    assert any("for the next two-factor code" in message for message in fetch.report.messages)


async def test_secret_missing(fetch: Fetch, kameo: ScriptedUpstream):
    """Two-factor without a secret names the setting."""
    kameo.two_factor = True
    fetch.config["totp_secret"] = None
    failure = await fetch.failure()
    assert failure.code == "configuration"
    assert failure.message.startswith("Configuration error: ")
    assert "KAMEO_TOTP_SECRET" in failure.message


async def test_code_typed_by_a_person(fetch: Fetch, kameo: ScriptedUpstream):
    """Without a secret the code comes from `ask_code`."""
    kameo.two_factor = True

    async def ask() -> str:
        return "123 456 "

    fetch.config.update(totp_secret=None, ask_code=ask)
    await fetch()
    assert kameo.forms[-1]["code"] == "123456"


@pytest.mark.parametrize("wrong", ["password", "code"])
async def test_what_a_person_typed_is_blamed_on_no_setting(fetch: Fetch, kameo: ScriptedUpstream, wrong: str):
    """A refused password or code that was asked for is named as such."""
    kameo.two_factor = True

    async def ask() -> str:
        return "123456"

    async def back(request: web.Request) -> web.StreamResponse:
        return redirect("/auth/2fa")

    kameo.script("POST /auth/2fa", back)
    fetch.config.update(totp_secret=None, ask_code=ask)
    if wrong == "password":
        fetch.config["password"] = SecretStr("wrong")
    failure = await fetch.failure()
    assert failure.code == "login_failed"
    assert wrong in failure.message
    assert "KAMEO_" not in failure.message


@pytest.mark.parametrize(
    ("config", "named"),
    [
        ({"email": None, "password": None}, "KAMEO_EMAIL and KAMEO_PASSWORD are not set"),
        ({"password": SecretStr("")}, "KAMEO_PASSWORD is not set"),
        ({"totp_secret": SecretStr("0189")}, "KAMEO_TOTP_SECRET is not Base32"),
    ],
)
async def test_configuration(fetch: Fetch, kameo: ScriptedUpstream, config: dict[str, Any], named: str):
    """What is missing or useless in the settings is named before anything is sent."""
    fetch.config.update(config)
    failure = await fetch.failure()
    assert (failure.code, failure.retryable) == ("configuration", False)
    assert failure.message.startswith(f"Configuration error: {named}")
    assert kameo.seen == []


async def test_settings_that_cannot_be_read(clock: SkippingClock):
    """What the reader of the settings refuses ends the job as a configuration error."""

    def refuse() -> KameoConfig:
        raise ConfigurationError("KAMEO_API_URL: must be an address")

    async with LoanFetchJobService(refuse, clock=clock) as service:
        with pytest.raises(JobFailed, match=r"^Configuration error: KAMEO_API_URL: must be an address$"):
            await service.run(LoanFetchParams(), Recorder())


@pytest.mark.parametrize("location", ["http://localhost:1/auth/check", "//evil.example/", "ftp://x/"])
async def test_redirects_stay_on_the_site(fetch: Fetch, kameo: ScriptedUpstream, location: str):
    """A redirect to another origin is not followed."""

    async def lead_away(request: web.Request) -> web.StreamResponse:
        return redirect(location)

    kameo.script("POST /user/login", lead_away)
    failure = await fetch.failure()
    assert (failure.code, "another site" in failure.message) == ("upstream_invalid", True)


async def test_redirects_are_bounded(fetch: Fetch, kameo: ScriptedUpstream):
    """A circle of redirects ends after as many as the settings allow."""

    async def circle(request: web.Request) -> web.StreamResponse:
        return redirect("/auth/check")

    kameo.always["GET /auth/check"] = circle
    assert (await fetch.failure()).code == "upstream_invalid"
    assert kameo.count("GET", "/auth/check") == 5


# What goes wrong


async def test_a_login_that_is_told_to_wait(fetch: Fetch, kameo: ScriptedUpstream):
    """429 at the login says nothing against the password: later it may go well, but not at once."""
    kameo.script("POST /user/login", answering(429))
    failure = await fetch.failure()
    assert (failure.code, failure.retryable) == ("upstream_rate_limited", True)
    assert kameo.count("POST", "/user/login") == 1
    assert len((await fetch()).loans) == 30


@pytest.mark.parametrize("status", [502, 503, 504])
async def test_busy_is_tried_again(fetch: Fetch, kameo: ScriptedUpstream, status: int):
    """A gateway's error passes unnoticed when the next try succeeds."""
    kameo.script(LISTING, answering(status, text="<h1>busy</h1>"))
    assert len((await fetch()).loans) == 30
    assert any("trying again in" in message for message in fetch.report.messages)


async def test_cut_bodies_are_tried_again(fetch: Fetch, kameo: ScriptedUpstream):
    """A body that is cut off is asked for again."""
    kameo.script(LISTING, dropping, dropping)
    assert len((await fetch()).loans) == 30


@pytest.mark.parametrize(
    ("answer", "tries", "code", "retryable", "says"),
    [
        (answering(502, text="bad"), 5, "upstream_unavailable", True, "502"),
        (answering(503, text="closed"), 3, "upstream_unavailable", True, "maintenance"),
        (answering(503, {"message": "x"}), 5, "upstream_unavailable", True, "503"),
        (answering(500, {"message": "x"}), 1, "upstream_unavailable", True, "500"),
        (answering(422, {"message": "x"}), 1, "upstream_invalid", False, "422"),
        (answering(404, text="x"), 1, "upstream_invalid", False, "404"),
        (answering(text="<html>"), 1, "upstream_invalid", False, "no JSON"),
        (answering(body='{"data": '), 1, "upstream_invalid", False, "not JSON"),
        (answering(body="[" * 100_000), 1, "upstream_invalid", False, "not JSON"),
        (answering(body={"data": {}}), 1, "upstream_invalid", False, "list of loans"),
        (answering(body='"' + "x" * (8 * 1024 * 1024) + '"'), 1, "upstream_invalid", False, "larger"),
        (answering(429), 5, "upstream_rate_limited", True, "slow down"),
        (answering(429, headers={"Retry-After": "3600"}), 1, "upstream_rate_limited", True, "61 minutes"),
    ],
)
async def test_failures(
    fetch: Fetch, kameo: ScriptedUpstream, answer: Any, tries: int, code: str, retryable: bool, says: str
):
    """Each failure has its code and sentence, and is tried again only where that helps."""
    kameo.always[LISTING] = answer
    failure = await fetch.failure(max_pages=1)
    assert (failure.code, failure.retryable) == (code, retryable)
    assert says in failure.message
    assert kameo.count("GET", LISTING_PATH) == tries


async def test_nobody_at_the_address(fetch: Fetch, unused_tcp_port: int):
    """An address where nobody listens is unavailable."""
    fetch.config["base_url"] = f"http://127.0.0.1:{unused_tcp_port}"
    failure = await fetch.failure()
    assert (failure.code, failure.retryable) == ("upstream_unavailable", True)
    assert "Nobody answers at 127.0.0.1" in failure.message


async def test_hung_upstream(fetch: Fetch, kameo: ScriptedUpstream):
    """An upstream that does not answer is given up after the read timeout of each try."""
    fetch.config["read_timeout"] = 0.02
    released = asyncio.Event()

    async def hang(request: web.Request) -> web.StreamResponse:
        await released.wait()
        return web.Response()

    kameo.always[LISTING] = hang
    failure = await fetch.failure()
    released.set()
    assert "did not answer in time" in failure.message


async def test_cancel_leaves_nothing(fetch: Fetch, kameo: ScriptedUpstream):
    """A cancelled job leaves no task behind."""
    waiting = asyncio.Semaphore(0)

    async def hang(request: web.Request) -> web.StreamResponse:
        waiting.release()
        await asyncio.sleep(60)
        return web.Response()

    await fetch(max_pages=1)
    kameo.script(LISTING, answering(body=listing(kameo.rows, 1, 12)))
    kameo.always[LISTING] = hang
    before = asyncio.all_tasks()
    job = asyncio.create_task(fetch())
    await waiting.acquire()
    await waiting.acquire()
    job.cancel()
    with pytest.raises(asyncio.CancelledError):
        await job
    ours = [task for task in asyncio.all_tasks() - before if "kameo_async" in repr(task)]
    assert ours == []


# Params and test mode


@pytest.mark.parametrize(
    "params",
    [
        {"limit": 0},
        {"limit": 101},
        {"limit": True},
        {"limit": "3"},
        {"limit": 3.0},
        {"page": 0},
        {"max_pages": 1001},
        {"countries": []},
        {"countries": ["se"]},
        {"countries": ["SE,DK"]},
        {"countries": "SE"},
        {"unknown": 1},
    ],
)
def test_refused_params(params: dict[str, Any]):
    """Params out of range, of the wrong type or unknown are refused."""
    with pytest.raises(InvalidParamsError):
        validate(LoanFetchParams, params)


def test_countries_compare_equal():
    """Order and repeats do not matter."""
    one = validate(LoanFetchParams, {"countries": ["DK", "SE", "DK"], "limit": 12})
    assert one == validate(LoanFetchParams, {"countries": ["SE", "DK"]}) == LoanFetchParams()


async def test_test_mode(clock: SkippingClock):
    """Test mode gives the two fixed loans, in about a second, with progress."""
    report = Recorder()
    async with LoanFetchJobService(
        lambda: pytest.fail("no settings are needed"), clock=clock, test_mode=True
    ) as kind:
        result = await kind.run(LoanFetchParams(limit=1), report)
    assert [(loan.id, loan.title, loan.amount, str(loan.interest_rate)) for loan in result.loans] == [
        (1, "Dummy Loan 1", Decimal(100000), "7.5"),
        (2, "Dummy Loan 2", Decimal(250000), "8.2"),
    ]
    assert report.told == [(1, 2, "Fetched page 1 of 2"), (2, 2, "Fetched page 2 of 2")]
    assert sum(clock.waits) == pytest.approx(1)
