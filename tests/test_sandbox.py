"""The sandbox: login, two-factor, the listing and its limit, over loopback."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
import structlog

from kameo_async.sandbox import SandboxOptions
from kameo_async.sandbox.account import totp
from tests.sandbox_visitor import Visitor, visiting

QUICK = (0.0, 0.0)


@pytest.fixture
async def visitor() -> AsyncIterator[Visitor]:
    """Somebody at a sandbox that answers at once."""
    async with visiting(SandboxOptions(latency=QUICK)) as someone:
        yield someone


def test_codes_are_those_of_the_rfc() -> None:
    """The codes are the last six digits of the test vectors in RFC 6238, appendix B."""
    secret = "GEZD GNBV-GY3TQOJQ gezdgnbvgy3tqojq"
    steps = {59: "287082", 1111111109: "081804", 20000000000: "353130"}
    assert {time: totp(secret, time // 30) for time in steps} == steps


async def test_whole_login(visitor: Visitor) -> None:
    """Password and code lead over /auth/check and /auth/2fa to the loans."""
    assert (await visitor.send_password()).headers["Location"] == "/auth/check"
    assert (await visitor.get("/auth/check")).headers["Location"] == "/auth/2fa"
    answer = await visitor.send_code()
    assert (answer.status, answer.headers["Location"]) == (302, "/aktuella-lan")
    assert (await visitor.get("/aktuella-lan")).status == 200
    assert visitor.sandbox.record.logins == 1


async def test_login_without_two_factor() -> None:
    """Without two-factor the check leads to the dashboard at once."""
    async with visiting(SandboxOptions(latency=QUICK, two_factor=False)) as visitor:
        await visitor.send_password()
        assert (await visitor.get("/auth/check")).headers["Location"] == "/investor/dashboard"
        assert (await visitor.get("/investor/dashboard")).status == 200
        assert len((await visitor.page())["investment_options"]) == 12


@pytest.mark.parametrize("form", [{"Login": "other@sandbox.example"}, {"Password": "wrong"}])
async def test_wrong_credentials(visitor: Visitor, form: dict[str, str]) -> None:
    """A wrong e-mail or password gets 200 and the login page again."""
    answer = await visitor.send_password(**form)
    assert answer.status == 200
    assert 'name="Password"' in await answer.text()
    assert (await visitor.get("/auth/check")).headers["Location"] == "/user/login"
    assert visitor.sandbox.record.passwords_refused == 1


async def test_csrf_token_is_wanted_where_it_is_sent(visitor: Visitor) -> None:
    """A password without the page's CSRF token is refused."""
    await visitor.get("/user/login")
    form = {"Login": visitor.sandbox.email, "Password": visitor.sandbox.password}
    answer = await visitor.post("/user/login", {**form, "LoginButton": "", "RedirectURI": ""})
    assert answer.status == 403


async def test_login_page_without_csrf_token() -> None:
    """The login works without a CSRF token where the page carries none."""
    async with visiting(SandboxOptions(latency=QUICK, csrf=False)) as visitor:
        assert "csrf" not in await (await visitor.get("/user/login")).text()
        await visitor.log_in()


async def test_password_without_a_session(visitor: Visitor) -> None:
    """A password that comes without the session's cookie leads back to the login page."""
    answer = await visitor.post("/user/login", {"Login": "x"})
    assert answer.headers["Location"] == "/user/login"


async def test_login_changes_the_session(visitor: Visitor) -> None:
    """The cookie from before the password is worth nothing after it."""
    before = (await visitor.get("/user/login")).cookies["eZSESSID"].value
    after = (await visitor.send_password()).cookies["eZSESSID"].value
    assert before != after
    answer = await visitor.get("/auth/check", cookies={"eZSESSID": before})
    assert answer.headers["Location"] == "/user/login"


async def test_two_forms_have_two_tokens(visitor: Visitor) -> None:
    """The e-sign form comes first and its token is not good for a code."""
    await visitor.send_password()
    text = await (await visitor.get("/auth/2fa")).text()
    assert text.index('action="/auth/e-sign"') < text.index('action="/auth/2fa"')
    wrong = await visitor.form_token("/auth/e-sign")
    assert (await visitor.send_code(ezxform_token=wrong)).status == 403


async def test_wrong_code_leads_back(visitor: Visitor) -> None:
    """A wrong code leads back to /auth/2fa, which says why, once."""
    await visitor.send_password()
    assert (await visitor.send_code("000000")).headers["Location"] == "/auth/2fa"
    assert 'class="alert alert-danger"' in await (await visitor.get("/auth/2fa")).text()
    assert "alert-danger" not in await (await visitor.get("/auth/2fa")).text()
    assert (await visitor.listing()).status == 401


async def test_wrong_code_told_inline() -> None:
    """A sandbox that refuses inline answers the wrong code itself with the page and the reason."""
    async with visiting(SandboxOptions(latency=QUICK, refuses_inline=True)) as visitor:
        await visitor.send_password()
        answer = await visitor.send_code("000000")
        assert answer.status == 200
        assert "alert-danger" in await answer.text()


async def test_code_is_accepted_once(visitor: Visitor) -> None:
    """A code that was used is refused in a second login, and the next one accepted."""
    await visitor.log_in()
    await visitor.send_password()
    assert (await visitor.send_code()).headers["Location"] == "/auth/2fa"
    assert visitor.sandbox.record.codes_used_twice == 1
    await visitor.clock.advance(30)
    assert (await visitor.send_code()).headers["Location"] == "/aktuella-lan"


@pytest.mark.parametrize(("step", "accepted"), [(-2, False), (-1, True), (1, False)])
async def test_code_of_another_step(visitor: Visitor, step: int, accepted: bool) -> None:
    """The code of the step before is still good; an older or a later one is not."""
    await visitor.send_password()
    answer = await visitor.send_code(visitor.code(step))
    assert (answer.headers["Location"] == "/aktuella-lan") is accepted


async def test_cancel_ends_the_login(visitor: Visitor) -> None:
    """The form's other button ends the login."""
    await visitor.send_password()
    form = {"ezxform_token": await visitor.form_token(), "code": visitor.code(), "cancel": ""}
    assert (await visitor.post("/auth/2fa", form)).headers["Location"] == "/user/login"
    assert (await visitor.get("/auth/check")).headers["Location"] == "/user/login"


@pytest.mark.parametrize("path", ["/auth/2fa", "/auth/check", "/investor/dashboard", "/aktuella-lan"])
async def test_site_without_a_session(visitor: Visitor, path: str) -> None:
    """Without a session the site leads to its login page."""
    answer = await visitor.get(path)
    assert (answer.status, answer.headers["Location"]) == (302, "/user/login")


async def test_api_without_a_session(visitor: Visitor) -> None:
    """Without a session the API answers 401 with a message."""
    answer = await visitor.listing()
    assert (answer.status, await answer.json()) == (401, {"message": "Unauthenticated."})


@pytest.mark.parametrize("name", ["Origin", "Referer", "Accept-Language", "User-Agent"])
async def test_strangers_are_refused(visitor: Visitor, name: str) -> None:
    """A header that the site's own pages would send otherwise gets 403, which names it."""
    answer = await visitor.post("/user/login", {}, **{name: ""})
    assert answer.status == 403
    assert name in await answer.text()


async def test_pages_of_the_listing(visitor: Visitor) -> None:
    """SE and DK have 80 loans on 7 pages of 12; together the pages hold each loan once."""
    await visitor.log_in()
    pages = [await visitor.page(number) for number in range(1, 8)]
    ids = [row["loan_application_id"] for page in pages for row in page["investment_options"]]
    assert [page["result_count"] for page in pages] == [12] * 6 + [8]
    assert len(set(ids)) == 80
    assert {(page["total"], page["last_page"], page["per_page"]) for page in pages} == {(80, 7, 12)}
    assert [page["current_page"] for page in pages] == list(range(1, 8))


async def test_page_past_the_last(visitor: Visitor) -> None:
    """A page past the last is empty and tells the true total."""
    await visitor.log_in()
    page = await visitor.page(8)
    assert (page["investment_options"], page["result_count"]) == ([], 0)
    assert (page["total"], page["last_page"]) == (80, 7)


@pytest.mark.parametrize(
    ("sweden", "norway", "denmark", "currencies"),
    [(1, 0, 0, {"SEK"}), (0, 1, 0, {"NOK"}), (0, 0, 1, {"DKK"}), (1, 1, 1, {"SEK", "NOK", "DKK"})],
)
async def test_countries(
    visitor: Visitor, sweden: int, norway: int, denmark: int, currencies: set[str]
) -> None:
    """Each flag brings the loans of its country."""
    await visitor.log_in()
    names = ("sweden", "norway", "denmark")
    flags = dict(
        zip((f"subscription_origin_{name}" for name in names), (sweden, norway, denmark), strict=True)
    )
    page = await visitor.page(limit=100, **flags)
    assert {row["currency"] for row in page["investment_options"] if row.get("currency")} == currencies


@pytest.mark.parametrize(
    "query", [{"limit": 0}, {"limit": "x"}, {"page": 0}, {"subscription_origin_sweden": 2}]
)
async def test_wrong_query(visitor: Visitor, query: dict[str, Any]) -> None:
    """A value of the wrong type or out of range gets 422 with a message that names it."""
    await visitor.log_in()
    answer = await visitor.listing(**query)
    assert answer.status == 422
    assert next(iter(query)) in (await answer.json())["message"]


async def test_rate_limit(visitor: Visitor) -> None:
    """The 61st request of a minute is refused until the minute is over; the headers count down."""
    await visitor.log_in()
    answers = [await visitor.listing() for _ in range(60)]
    assert [int(answer.headers["x-ratelimit-remaining"]) for answer in answers] == list(range(59, -1, -1))
    assert {answer.headers["x-ratelimit-limit"] for answer in answers} == {"60"}
    await visitor.clock.advance(20)
    refused = await visitor.listing()
    assert (refused.status, await refused.json()) == (429, {"message": "Too Many Attempts."})
    assert refused.headers["Retry-After"] == "40"
    assert int(refused.headers["x-ratelimit-reset"]) == visitor.clock.now().timestamp() + 40
    await visitor.clock.advance(40)
    assert (await visitor.listing()).status == 200


async def test_headers_of_the_listing(visitor: Visitor) -> None:
    """An answer of the API is JSON in UTF-8, not cached, and readable by the site."""
    await visitor.log_in()
    answer = await visitor.listing()
    assert answer.headers["Content-Type"] == "application/json; charset=utf-8"
    assert answer.headers["cache-control"] == "no-cache, private"
    assert answer.headers["access-control-allow-origin"] == visitor.sandbox.base_url
    assert "ö" in json.dumps(await answer.json(), ensure_ascii=False)


async def test_writes_to_the_api_are_counted(visitor: Visitor) -> None:
    """What is not a GET is refused as JSON and counted as a write."""
    await visitor.log_in()
    assert visitor.sandbox.record.api_writes == 0
    answer = await visitor.post("/v1/loans/listing/investment-options", {})
    assert answer.status == 405
    answer = await visitor.post("/v1/bids", {})
    assert answer.status == 404
    assert "message" in await answer.json()
    assert visitor.sandbox.record.api_writes == 2


async def test_record_counts_answers(visitor: Visitor) -> None:
    """The record tells answers by path and status."""
    await visitor.listing()
    await visitor.log_in()
    await visitor.listing()
    path = "/v1/loans/listing/investment-options"
    assert visitor.sandbox.record.answers(path) == 2
    assert visitor.sandbox.record.answers(path, 401) == 1


async def test_page_of_a_loan(visitor: Visitor) -> None:
    """A loan's short address leads to its page, which anybody may read; one that is not there is 404."""
    await visitor.log_in()
    row = (await visitor.page())["investment_options"][0]
    answer = await visitor.get(f"/listing/investment-option/{row['loan_application_id']}")
    text = await (await visitor.get(answer.headers["Location"])).text()
    assert row["title"] in text
    assert (await visitor.get("/listing/investment-option/999999999999/lan")).status == 404


async def test_latency() -> None:
    """An answer of the API comes after its latency and not before."""
    async with visiting(SandboxOptions(latency=(0.25, 0.25))) as visitor:
        call = asyncio.create_task(visitor.listing())
        await visitor.clock.slept.wait()
        await visitor.clock.advance(0.24)
        assert not call.done()
        await visitor.clock.advance(0.01)
        assert (await call).status == 401


async def test_settings_name_the_sandbox(visitor: Visitor) -> None:
    """The settings hold both addresses and the account."""
    settings = visitor.sandbox.settings()
    assert settings["KAMEO_API_URL"] == settings["KAMEO_BASE_URL"] + "/v1"
    assert settings["KAMEO_BASE_URL"].startswith("http://127.0.0.1:")
    assert set(settings) >= {"KAMEO_EMAIL", "KAMEO_PASSWORD", "KAMEO_TOTP_SECRET"}


async def test_no_secret_in_the_log(visitor: Visitor) -> None:
    """Logins and refusals are logged, their passwords and codes are not."""
    with structlog.testing.capture_logs() as lines:
        await visitor.send_password(Password="opensesame")
        await visitor.log_in()
    assert [line["event"] for line in lines] == ["sandbox.login_refused", "sandbox.logged_in"]
    said = repr(lines) + repr(visitor.sandbox)
    assert not any(secret in said for secret in ("opensesame", visitor.code(), visitor.sandbox.password))
