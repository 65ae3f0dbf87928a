"""Markers are planted wherever a secret comes in; all that the service says and keeps is searched."""

import asyncio
import json
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from tests.scripted_upstream import (
    TWO_FACTOR_PAGE,
    Handler,
    ScriptedUpstream,
    answering,
    redirect,
    scripted_upstream,
)
from tests.trust.conftest import Process
from tests.trust.raw import ask, request

PASSWORD, TOTP_SECRET, TOKEN = "marker-password-å", "MARKERTOTPSECRET", "marker-token-9f"
LOGIN, PASSWORD_SENT, TWO_FACTOR = "GET /user/login", "POST /user/login", "POST /auth/2fa"
LISTING = "GET /v1/loans/listing/investment-options"
TELLING = {
    "X-Debug": "marker-header",
    "WWW-Authenticate": "marker-challenge",
    "Retry-After": "marker-later",
    "X-RateLimit-Remaining": "marker-left",
    "Date": "marker-date",
    "Set-Cookie": "session=marker-cookie; expires=marker",
}


async def noise(request: web.Request) -> web.StreamResponse:
    """What is no HTTP."""
    assert request.transport is not None
    request.transport.write(b"HTTP/1.1 2marker0 marker\r\nmarker marker\r\n\r\nmarker")
    request.transport.close()
    return web.Response()


def page(status: int, text: str = "<p>marker-page</p>") -> Handler:
    """A page with markers in all its headers."""
    return answering(status, text=text, headers=TELLING)


def leading(location: str) -> Handler:
    """A redirect."""

    async def handle(request: web.Request) -> web.StreamResponse:
        answer = redirect(location)
        answer.headers.extend(TELLING)
        return answer

    return handle


def alert(reason: str) -> Handler:
    """Two-factor, refused with a reason."""
    return page(200, f'{TWO_FACTOR_PAGE}<p class="alert-danger">{reason}</p>')


ODD_ROWS = {"data": {"investment_options": [{"marker-field": "marker-value"}, "marker-row"], "last_page": 1}}
FAULTS: list[tuple[str, Handler, str | None]] = [
    (LOGIN, page(500), "upstream_unavailable"),
    (LOGIN, page(404), "upstream_invalid"),
    (LOGIN, noise, "upstream_invalid"),
    (LOGIN, leading("https://marker.example/marker?marker=1"), "upstream_invalid"),
    (LOGIN, leading("http://marker:marker@127.0.0.1/"), "upstream_invalid"),
    (LOGIN, leading("http://[marker"), "upstream_invalid"),
    (LOGIN, leading("/user/login?marker=1"), None),
    (PASSWORD_SENT, page(200), "login_failed"),
    (PASSWORD_SENT, leading("/marker/auth/check?marker"), "upstream_invalid"),
    (TWO_FACTOR, alert(f"We do not know {PASSWORD}"), "login_failed"),
    (TWO_FACTOR, alert("Your session is marker-cookie-of-login"), "login_failed"),
    (LISTING, answering(500, {"message": "marker-message"}, TELLING), "upstream_unavailable"),
    (LISTING, answering(422, {"message": "marker-message"}, TELLING), "upstream_invalid"),
    (LISTING, answering(200, '{"data": "marker-json', TELLING), "upstream_invalid"),
    (LISTING, answering(200, {"data": "marker-shape"}, TELLING), "upstream_invalid"),
    (LISTING, answering(200, ODD_ROWS, TELLING), None),
    (LISTING, page(200), "upstream_invalid"),
    (LISTING, noise, "upstream_invalid"),
    (LISTING, leading("https://marker.example/marker?marker=1"), "upstream_invalid"),
]


class House:
    """A service at debug, on a console, before an upstream that tells all that it knows."""

    def __init__(self, process: Process, upstream: ScriptedUpstream, client: aiohttp.ClientSession) -> None:
        self.process = process
        self._upstream = upstream
        self._client = client
        self._accounts = 0
        self.told: list[str] = []
        upstream.always[PASSWORD_SENT] = leading("/auth/check")

    async def start(self, **settings: str) -> str:
        """Starts a job of an account that was never refused; gives its address once it runs."""
        self._accounts += 1
        usual = {
            "KAMEO_EMAIL": f"lender{self._accounts}@example.org",
            "KAMEO_PASSWORD": PASSWORD,
            "KAMEO_TOTP_SECRET": TOTP_SECRET,
            "KAMEO_BASE_URL": self._upstream.base_url,
            "KAMEO_API_URL": f"{self._upstream.base_url}/v1",
        }
        lines = [f"{name}='{value}'" for name, value in (usual | settings).items()]
        (self.process.folder / ".env").write_text("\n".join(lines))
        async with self._client.post("/api/jobs/fetch-loans") as answer:
            path = str((await answer.json())["links"]["self"])
        await self.end(path, '"1"')  # the settings are read as it starts
        return path

    async def end(self, path: str, have: str = "") -> dict[str, Any]:
        """The job's end, or what comes after the revision that we `have`."""
        headers = {"Prefer": "wait=15", "If-None-Match": have}
        async with self._client.get(path, headers=headers) as answer:
            self.told.append(f"{answer.headers} {await answer.text()}")
            document: dict[str, Any] = await answer.json()
            return document

    async def cancelled(self, path: str) -> dict[str, Any]:
        """The job after its cancel."""
        async with self._client.delete(path) as answer:
            document: dict[str, Any] = await answer.json()
            return document

    async def fault(self, path: str, handler: Handler) -> dict[str, Any]:
        """The end of a job whose upstream goes wrong once."""
        self._upstream.two_factor = path == TWO_FACTOR
        self._upstream.scripts.clear()
        self._upstream.script(path, handler)
        return await self.end(await self.start())

    async def search(self) -> str:
        """All that was told, logged and kept."""
        for path in ("/api/jobs?limit=100", "/metrics", "/api/health", "/api/kinds", "/api/openapi.json"):
            async with self._client.get(path) as answer:
                self.told.append(f"{answer.headers} {await answer.text()}")
        files = [path for path in self.process.folder.rglob("*") if path.is_file() and path.name != ".env"]
        kept = [path.read_bytes().decode(errors="replace") for path in files]
        return "\n".join([*self.told, *kept, self.process.said])


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    settings = {"KAMEO_ASYNC_TOKEN": TOKEN, "KAMEO_ASYNC_LOG_LEVEL": "debug", "TEST_MODE": "0"}
    process = await asyncio.to_thread(
        lambda: Process(
            tmp_path, **settings, KAMEO_ASYNC_LOG_FORMAT="console", KAMEO_REQUESTS_PER_MINUTE="6000"
        )
    )
    bearer = {"Authorization": f"Bearer {TOKEN}"}
    try:
        async with (
            scripted_upstream() as upstream,
            aiohttp.ClientSession(process.url, headers=bearer) as client,
        ):
            yield House(process, upstream, client)
    finally:
        await asyncio.to_thread(process.stop)


async def test_no_secret_comes_out_anywhere(house: House) -> None:
    """Row 21: of settings, and of what an upstream says that is refused, broken, rude or not there."""
    nowhere = {"KAMEO_BASE_URL": "http://127.0.0.1:9", "KAMEO_API_URL": "http://127.0.0.1:9/v1"}
    unanswered = await house.start(**nowhere)
    badly_set = await house.end(await house.start(KAMEO_TOTP_SECRET="MARKER0189"))
    ends = [await house.fault(path, handler) for path, handler, _ in FAULTS]
    assert badly_set["error_code"] == "configuration"
    assert [end["error_code"] for end in ends] == [code for _, _, code in FAULTS]
    assert "Nobody answers" in (await house.end(unanswered, '"2"'))["progress"]["message"]
    assert (await house.cancelled(unanswered))["status"] == "cancelled"
    told = await house.search()
    assert "kameo.logged_in" in told
    assert re.findall(r"(?i).{0,60}marker.{0,60}", told) == []


def test_a_crash_on_a_console_shows_no_local_variable(tmp_path: Path) -> None:
    """A kind that crashes with a secret in a variable: the traceback is there, the variable is not."""
    process = Process(tmp_path, KAMEO_ASYNC_LOG_FORMAT="console")
    try:
        start = request(process.port, "POST", "/api/jobs/crash", "Prefer: wait=10")
        assert json.loads(ask(process.port, start).body)["error_code"] == "internal"
        assert "RuntimeError: broken 12" in process.log
        assert "marker-local" not in process.log
    finally:
        process.stop()
