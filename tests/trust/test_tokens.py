"""Tokens: nobody gets in without one where one is set, and it leaks nowhere."""

import re

import pytest

from tests.trust.conftest import Process
from tests.trust.raw import ask, request

TOKEN = "marker-token-71"
BEARER = f"Authorization: Bearer {TOKEN}"
COOKIE = re.compile(r"(kameo_async_\d+)=([0-9a-f]{64}); HttpOnly; Path=/; SameSite=Strict")


@pytest.mark.parametrize(
    "lines",
    [
        (),
        ("Authorization: Bearer wrong-token",),
        ("Authorization: Basic bWFya2VyOnRva2Vu",),
        ("Authorization: Bearer \xff\xfe",),
        ("Cookie: kameo_async_8000=0",),
        (f"Cookie: kameo_async_8000={TOKEN}",),
    ],
)
def test_without_the_token_nothing_is_told(guarded: Process, lines: tuple[str, ...]) -> None:
    """Row 7: none, a wrong one, bytes that are no text: 401 with WWW-Authenticate."""
    answer = ask(guarded.port, request(guarded.port, "GET", "/api/jobs", *lines))
    assert (answer.status, answer.headers["www-authenticate"]) == (401, "Bearer")


@pytest.mark.parametrize(
    "target", [f"/api/jobs?token={TOKEN}", f"/static/app.js?token={TOKEN}", f"/metrics?token={TOKEN}"]
)
def test_a_token_in_the_query_opens_nothing_but_the_page(guarded: Process, target: str) -> None:
    """Row 7: the query of an API call is no place for it."""
    assert ask(guarded.port, request(guarded.port, "GET", target)).status == 401


@pytest.mark.parametrize(
    "target", ["/", "/docs", "/api/jobs", "/api/ready", "/metrics", "/api/jobs/ws", "/nothing"]
)
def test_everything_but_health_wants_it(guarded: Process, target: str) -> None:
    """Every path is closed, those that do not exist too; health is open."""
    assert ask(guarded.port, request(guarded.port, "GET", target)).status == 401
    assert ask(guarded.port, request(guarded.port, "GET", "/api/health")).status == 200


def test_with_the_token_programs_come_in(guarded: Process) -> None:
    """`Authorization: Bearer`, the scheme in any case (RFC 9110 section 11.1)."""
    for line in (BEARER, BEARER.replace("Bearer", "bearer")):
        assert ask(guarded.port, request(guarded.port, "GET", "/api/jobs", line)).status == 200


def test_the_page_says_how_to_open_it(guarded: Process) -> None:
    """401 on `/` is HTML for people."""
    answer = ask(guarded.port, request(guarded.port, "GET", "/"))
    assert (answer.status, answer.headers["content-type"]) == (401, "text/html; charset=utf-8")
    assert b"/?token=" in answer.body


def test_the_page_is_opened_once_and_remembered(guarded: Process) -> None:
    """`/?token=` answers 200 with a refresh and a strict cookie that is not the token."""
    answer = ask(guarded.port, request(guarded.port, "GET", f"/?token={TOKEN}"))
    assert (answer.status, answer.headers["cache-control"]) == (200, "no-store")
    assert b'http-equiv="refresh"' in answer.body
    match = COOKIE.fullmatch(answer.headers["set-cookie"])
    assert match is not None, answer.headers["set-cookie"]
    assert match[1] == f"kameo_async_{guarded.port}"
    cookie = f"Cookie: {match[1]}={match[2]}"
    for target in ("/", "/api/jobs", "/static/app.js"):
        assert ask(guarded.port, request(guarded.port, "GET", target, cookie)).status == 200
    assert TOKEN.encode() not in answer.raw


def test_a_wrong_token_opens_no_page(guarded: Process) -> None:
    """`/?token=` with another value sets no cookie."""
    answer = ask(guarded.port, request(guarded.port, "GET", "/?token=wrong-token"))
    assert (answer.status, "set-cookie" in answer.headers) == (401, False)


def test_a_preflight_carries_no_token(guarded: Process) -> None:
    """Row 8: it is answered all the same."""
    lines = ("Origin: http://localhost:8000", "Access-Control-Request-Method: POST")
    assert ask(guarded.port, request(guarded.port, "OPTIONS", "/api/jobs/fetch-loans", *lines)).status == 200


def test_a_401_can_be_read_by_an_allowed_origin(guarded: Process) -> None:
    """Row 11, for 401."""
    answer = ask(guarded.port, request(guarded.port, "GET", "/api/jobs", "Origin: http://localhost:8000"))
    assert (answer.status, answer.headers["access-control-allow-origin"]) == (401, "http://localhost:8000")


def test_an_allowed_host_comes_in_under_https_too(guarded: Process) -> None:
    """A name of the settings is ours; behind a proxy its https origin may write."""
    lines = (BEARER, "Origin: https://loans.example")
    data = request(guarded.port, "POST", "/api/jobs/fetch-loans", *lines, host="loans.example")
    assert ask(guarded.port, data).status == 202


def test_the_token_is_in_no_log_line(guarded: Process) -> None:
    """Also at debug, and also when it came in the URL."""
    ask(guarded.port, request(guarded.port, "GET", f"/?token={TOKEN}", BEARER))
    ask(guarded.port, request(guarded.port, "GET", f"/api/jobs?token={TOKEN}", f"Cookie: a={TOKEN}"))
    assert len(guarded.events) > 1
    assert TOKEN not in guarded.log


def test_what_a_client_sends_is_in_no_log_line(guarded: Process) -> None:
    """Row 20: nor in an answer: no query, header, cookie or body, be it refused or taken."""
    names = (
        "User-Agent",
        "Referer",
        "Cookie",
        "Idempotency-Key",
        "X-Forwarded-For",
        "Prefer",
        "If-None-Match",
    )
    lines = [BEARER, "Content-Type: application/json", *(f"{name}: a=marker-said" for name in names)]
    for target in (
        "/api/jobs/fetch-loans",
        "/api/jobs/fetch-loans?limit=marker-said",
        "/nothing?a=marker-said",
    ):
        for body in (b"", b'{"countries":"marker-said"}', b"marker-said"):
            answer = ask(guarded.port, request(guarded.port, "POST", target, *lines, body=body))
            assert answer.status in (202, 400, 404)
            assert b"marker-said" not in answer.raw
    assert "marker-said" not in guarded.log
