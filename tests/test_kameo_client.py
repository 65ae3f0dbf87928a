"""What the client sends, to whom, and what it keeps to itself; and the shapes that a Kameo may take."""

import gc
import logging
import time
import weakref
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from email.utils import format_datetime
from typing import Any

import pytest
import structlog
from aiohttp import web
from pydantic import SecretStr

from kameo_async.kameo.check import check
from kameo_async.kameo.client import KameoClient, Query, Upstream
from kameo_async.kameo.config import KameoConfig
from kameo_async.kameo.errors import KameoError, LoginRefusedError, RateLimitedError
from kameo_async.kameo.totp import code_at, key_of, step_at
from kameo_async.kameo.transport import open_session
from tests.scripted_upstream import (
    PASSWORD,
    TOTP_SECRET,
    Handler,
    ScriptedUpstream,
    SkippingClock,
    answering,
    dropping,
    html,
    redirect,
    scripted_upstream,
)

LISTING = "GET /v1/loans/listing/investment-options"


async def silent(message: str) -> None:
    """Hears nothing."""


class Outcomes:
    """Counts like the metrics."""

    def __init__(self) -> None:
        self.outcomes: list[str] = []
        self.waited = 0.0

    def requested(self, outcome: str) -> None:
        self.outcomes.append(outcome)

    def throttled(self, seconds: float) -> None:
        self.waited += seconds


@pytest.fixture
async def site() -> AsyncIterator[ScriptedUpstream]:
    """The site."""
    async with scripted_upstream() as upstream:
        yield upstream


@pytest.fixture
async def api(site: ScriptedUpstream) -> AsyncIterator[ScriptedUpstream]:
    """The API on a port of its own, which takes the site's sessions."""
    async with scripted_upstream() as upstream:
        upstream.sessions = site.sessions
        yield upstream


@pytest.fixture
async def upstream() -> AsyncIterator[Upstream]:
    """What the jobs of a process share."""
    async with open_session() as session:
        yield Upstream(session, SkippingClock(), observer=Outcomes())


def client_of(upstream: Upstream, config: KameoConfig) -> KameoClient:
    """A client that tells nobody."""
    return upstream.client(config, silent)


@pytest.fixture
def logs() -> Iterator[list[Any]]:
    """All that is logged, at every level."""
    with structlog.testing.capture_logs() as captured:
        yield captured


async def test_two_hosts(site: ScriptedUpstream, api: ScriptedUpstream, upstream: Upstream):
    """The site's cookies go to the API on another port, and the API sees no login."""
    config = site.config(api_url=f"{api.base_url}/v1")
    page = await client_of(upstream, config).page(Query(), 1)
    assert len(page.loans) == 12
    assert {path for _, path in api.seen} == {"/v1/loans/listing/investment-options"}
    assert not any(path.startswith("/v1") for _, path in site.seen)
    headers = api.requests[0].headers
    assert (headers["Origin"], headers["Accept-Language"]) == (site.base_url, "sv")
    assert headers["User-Agent"].startswith("kameo-async/")
    assert headers["Referer"].startswith(site.base_url)


async def test_cookies_of_any_domain_go_nowhere_else(
    site: ScriptedUpstream, api: ScriptedUpstream, upstream: Upstream
):
    """A cookie for the parent domain or for none is sent to both hosts; one that is taken back is not."""

    async def set_cookies(request: web.Request) -> web.StreamResponse:
        answer = redirect("/auth/check")
        answer.set_cookie("parent", "1", domain=".kameo.se", secure=True)
        answer.set_cookie("quoted", "a b")
        answer.del_cookie("old")
        return answer

    async def old_cookie(request: web.Request) -> web.StreamResponse:
        answer = html("")
        answer.set_cookie("old", "1")
        return answer

    site.script("GET /user/login", old_cookie)
    site.script("POST /user/login", set_cookies)
    await client_of(upstream, site.config(api_url=f"{api.base_url}/v1")).page(Query(), 1)
    assert api.requests[0].headers["Cookie"] == 'parent=1; quoted="a b"; session=s0'


async def test_outcomes_are_counted(site: ScriptedUpstream, upstream: Upstream):
    """Metrics hear of every request and its outcome."""
    site.script(LISTING, answering(502, text="bad"))
    await client_of(upstream, site.config()).page(Query(), 1)
    assert isinstance(upstream.observer, Outcomes)
    assert upstream.observer.outcomes == ["200", "302", "302", "200", "502", "200"]


@pytest.mark.parametrize("failure", [answering(503, {}), dropping], ids=["503", "dropped"])
async def test_a_client_is_gone_with_its_job(site: ScriptedUpstream, upstream: Upstream, failure: Handler):
    """Also after a retry, and without the garbage collector, which may come half an hour later."""
    site.script(LISTING, failure)
    client = client_of(upstream, site.config())
    left = weakref.ref(client)
    gc.disable()
    try:
        await client.page(Query(), 1)
        del client
        assert left() is None
    finally:
        gc.enable()


@pytest.mark.parametrize("landing", ["/investor/dashboard", "/aktuella-lan", "{base}/aktuella-lan"])
@pytest.mark.parametrize("status", [200, 404])
async def test_landings(site: ScriptedUpstream, upstream: Upstream, landing: str, status: int):
    """Where a login ends does not matter, nor how its address is written."""
    site.two_factor = True

    async def land(request: web.Request) -> web.StreamResponse:
        answer = redirect(landing.format(base=site.base_url))
        answer.set_cookie("session", "s0")
        site.sessions.add("s0")
        return answer

    site.script("POST /auth/2fa", land)
    site.script(f"GET {landing.removeprefix('{base}')}", answering(status, text="hello"))
    assert (await client_of(upstream, site.config()).page(Query(), 1)).total == 30


async def test_no_csrf_token(site: ScriptedUpstream, upstream: Upstream):
    """A login page without a token is fine, and none is sent."""

    async def bare(request: web.Request) -> web.StreamResponse:
        return html("<form></form>", cookie="a")

    site.script("GET /user/login", bare)
    await client_of(upstream, site.config()).page(Query(), 1)
    (post,) = [request for request in site.requests if request.method == "POST"]
    assert "X-CSRF-Token" not in post.headers


async def test_wrong_code_by_redirect(site: ScriptedUpstream, upstream: Upstream):
    """A refused code may also lead back to the page by a redirect."""
    site.two_factor = True

    async def back(request: web.Request) -> web.StreamResponse:
        return redirect("/auth/2fa")

    site.script("POST /auth/2fa", back)
    with pytest.raises(LoginRefusedError):
        await client_of(upstream, site.config()).page(Query(), 1)


async def test_code_by_the_sites_clock(site: ScriptedUpstream, upstream: Upstream):
    """A machine whose clock is wrong makes the codes of the site's time."""
    site.two_factor = True
    upstream.clock.advance(7200)  # type: ignore[attr-defined]
    session = await client_of(upstream, site.config()).log_in()
    assert session.skew == pytest.approx(-7200, abs=5)
    assert session.two_factor
    key, now = key_of(SecretStr(TOTP_SECRET)), step_at(time.time())
    assert site.forms[-1]["code"] in {code_at(key, step) for step in (now - 1, now, now + 1)}


@pytest.mark.parametrize(
    "headers",
    [
        {"Retry-After": "{date}"},
        {"retry-after": "40"},
        {"X-RATELIMIT-RESET": "{unix}", "X-RateLimit-Remaining": "0"},
        {"Retry-After": "soon", "x-ratelimit-reset": "{unix}"},
    ],
)
async def test_ways_to_say_wait(site: ScriptedUpstream, upstream: Upstream, headers: dict[str, str]):
    """A wait is understood in seconds, as a date and as a reset, in any case of letters."""
    client = client_of(upstream, site.config())
    await client.log_in()
    clock = upstream.clock
    until = SkippingClock().now() + timedelta(seconds=40)
    words = {"date": format_datetime(until, usegmt=True), "unix": int(until.timestamp())}
    site.script(LISTING, answering(429, {}, {name: value.format(**words) for name, value in headers.items()}))
    before = clock.monotonic()
    await client.page(Query(), 1)
    assert 38 <= clock.monotonic() - before <= 43


async def test_waiting_no_longer_than_makes_sense(site: ScriptedUpstream, upstream: Upstream):
    """A wait of more than two minutes is an error, for this job and for whoever comes next."""
    client = client_of(upstream, site.config())
    site.script(LISTING, answering(429, {}, {"Retry-After": "600"}))
    for _ in range(2):
        with pytest.raises(RateLimitedError, match=r"1[01] minutes"):
            await client.page(Query(), 1)
    assert site.count("GET", LISTING.split()[1]) == 1


async def test_no_secret_anywhere(
    site: ScriptedUpstream, upstream: Upstream, logs: list[Any], caplog: pytest.LogCaptureFixture
):
    """No secret is in an error, a repr or a log line, whatever Kameo echoes."""
    caplog.set_level(logging.DEBUG)
    site.two_factor = True

    async def echo(request: web.Request) -> web.StreamResponse:
        form = site.forms[-1]
        text = f"{PASSWORD} {TOTP_SECRET} {form['code']} {form['ezxform_token']} {request.headers['Cookie']}"
        return html(f"<p class='alert-danger'>{text}</p>")

    site.script("POST /auth/2fa", echo)
    client = client_of(upstream, site.config())
    with pytest.raises(KameoError) as caught:
        await client.page(Query(), 1)
    secrets = [PASSWORD, TOTP_SECRET, site.forms[-1]["code"], site.forms[-1]["ezxform_token"]]
    told = f"{caught.value!r} {caught.value.__cause__!r} {logs} {caplog.text} {site.config()!r} {client!r}"
    assert "kameo.login_refused" in told
    assert [secret for secret in secrets if secret in told] == []


async def test_cookies_have_no_repr(site: ScriptedUpstream, upstream: Upstream):
    """A login's cookies are not in its repr."""
    session = await client_of(upstream, site.config()).log_in()
    assert session.cookies["session"] == "s0"
    assert "s0" not in repr(session)


async def test_check(site: ScriptedUpstream):
    """A check tells each step that worked."""
    site.two_factor = True
    steps = [step async for step in check(site.config(), SkippingClock(), silent)]
    assert [step for step, _ in steps] == ["settings", "clock", "login", "listing"]
    assert dict(steps)["login"] == "password and two-factor code accepted"
    assert dict(steps)["listing"] == "12 of 30 loans read, 0 broken"


async def test_check_stops_at_the_first_failure(site: ScriptedUpstream):
    """A check raises what is wrong, after the steps that worked."""
    seen = []

    async def collect() -> None:
        async for step, _ in check(site.config(), SkippingClock(), silent):
            seen.append(step)

    site.script("POST /user/login", answering(text="<p>no</p>"))
    with pytest.raises(LoginRefusedError):
        await collect()
    assert seen == ["settings"]
