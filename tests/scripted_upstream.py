"""A tiny Kameo whose every answer a test may script, and a clock that skips what would be waited for."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

from aiohttp import web
from aiohttp.test_utils import TestServer
from pydantic import SecretStr

from kameo_async.kameo.config import KameoConfig

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

EMAIL = "lender@example.org"
PASSWORD = "correct horse battery"
TOTP_SECRET = "jbsw y3dp-ehpk 3pxp"
TOKEN = "0123456789abcdef0123456789abcdef01234567"

LOGIN_PAGE = '<html><head><meta content="cafe" id="ezxform_token_js" name="csrf-token"></head></html>'
TWO_FACTOR_PAGE = f"""
<form method="post" action="/auth/e-sign"><input type="hidden" name="ezxform_token" value="wrong"/></form>
<FORM ACTION='/auth/2fa' METHOD=post><INPUT VALUE='{TOKEN}' NAME=ezxform_token TYPE=hidden>
<input type="tel" name="code"></FORM>
"""


class SkippingClock:
    """Whoever sleeps finds the time passed at once; all waits are noted."""

    def __init__(self, start: datetime | None = None) -> None:
        self._start = start or datetime.now(UTC)
        self._passed = 0.0
        self.waits: list[float] = []

    def now(self) -> datetime:
        return self._start + timedelta(seconds=self._passed)

    def monotonic(self) -> float:
        return self._passed

    def advance(self, seconds: float) -> None:
        self._passed += max(0.0, seconds)

    def call_later(self, seconds: float, callback: Callable[[], object]) -> asyncio.Handle:
        self.advance(seconds)
        return asyncio.get_running_loop().call_soon(callback)

    async def sleep(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.advance(seconds)
        await asyncio.sleep(0)


class Recorder:
    """Stands in for a job's report: keeps what was told."""

    def __init__(self) -> None:
        self.told: list[tuple[int, int | None, str]] = []

    async def __call__(
        self, done: int, total: int | None = None, *, unit: str = "", message: str = ""
    ) -> None:
        assert unit == "pages"
        self.told.append((done, total, message))

    def from_thread(self, done: int, total: int | None = None, *, unit: str = "", message: str = "") -> None:
        raise AssertionError("nothing here uses threads")

    @property
    def messages(self) -> list[str]:
        return [message for _, _, message in self.told]


def row(number: int, **fields: Any) -> dict[str, Any]:
    """A loan on the wire."""
    return {
        "loan_application_id": number,
        "title": f"Loan {number}",
        "application_amount": 1000,
        "currency": "SEK",
        **fields,
    }


class ScriptedUpstream:
    """Both hosts on one port. A script for a path answers once, and is then used up."""

    def __init__(self) -> None:
        self.rows: list[Any] = [row(number) for number in range(1, 31)]
        self.two_factor = False
        self.sessions: set[str] = set()
        self.seen: list[tuple[str, str]] = []
        self.requests: list[web.Request] = []
        self.forms: list[dict[str, str]] = []
        self.scripts: dict[str, list[Handler]] = {}
        self.always: dict[str, Handler] = {}
        self.base_url = ""

    def script(self, path: str, *handlers: Handler) -> None:
        self.scripts.setdefault(path, []).extend(handlers)

    def count(self, method: str, path: str) -> int:
        return self.seen.count((method, path))

    def config(self, **fields: Any) -> KameoConfig:
        defaults: dict[str, Any] = {
            "email": EMAIL,
            "password": SecretStr(PASSWORD),
            "totp_secret": SecretStr(TOTP_SECRET),
            "base_url": self.base_url,
            "api_url": f"{self.base_url}/v1",
            "read_timeout": 5,
            "requests_per_minute": 6000,
        }
        return KameoConfig(**(defaults | fields))

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        key = f"{request.method} {request.path}"
        self.seen.append((request.method, request.path))
        self.requests.append(request)
        if request.method == "POST":
            self.forms.append({name: str(value) for name, value in (await request.post()).items()})
        if waiting := self.scripts.get(key):
            return await waiting.pop(0)(request)
        if key in self.always:
            return await self.always[key](request)
        return self._usual(key, request)

    def _usual(self, key: str, request: web.Request) -> web.StreamResponse:
        if key == "GET /user/login":
            return html(LOGIN_PAGE, cookie="a0")
        if key == "POST /user/login":
            right = self.forms[-1]["Password"] == PASSWORD
            return redirect("/auth/check") if right else html(LOGIN_PAGE)
        if key == "GET /auth/check":
            return redirect("/auth/2fa") if self.two_factor else self._logged_in("/investor/dashboard")
        if key == "GET /auth/2fa":
            return html(TWO_FACTOR_PAGE)
        if key == "POST /auth/2fa":
            return self._logged_in("/aktuella-lan")
        if request.path == "/v1/loans/listing/investment-options":
            return self._listing(request)
        return html("hello")

    def _logged_in(self, path: str) -> web.StreamResponse:
        answer = redirect(path)
        session = f"s{len(self.sessions)}"
        self.sessions.add(session)
        answer.set_cookie("session", session)
        return answer

    def _listing(self, request: web.Request) -> web.StreamResponse:
        if request.cookies.get("session") not in self.sessions:
            return web.json_response({"message": "Unauthenticated."}, status=401)
        return web.json_response(listing(self.rows, int(request.query["page"]), int(request.query["limit"])))


def listing(rows: list[Any], page: int, limit: int, **paging: Any) -> dict[str, Any]:
    """The document of one page of `rows`."""
    shown = rows[(page - 1) * limit : page * limit]
    last = max(1, -(-len(rows) // limit))
    return {"data": {"investment_options": shown, "total": len(rows), "last_page": last, **paging}}


def html(text: str, status: int = 200, cookie: str | None = None) -> web.Response:
    """A web page."""
    answer = web.Response(text=text, content_type="text/html", status=status)
    if cookie:
        answer.set_cookie("session", cookie)
    return answer


def redirect(location: str) -> web.Response:
    """A redirect."""
    return web.Response(status=302, headers={"Location": location})


def answering(
    status: int = 200, body: Any = None, headers: dict[str, str] | None = None, text: str | None = None
) -> Handler:
    """A handler that gives JSON, or with `text` a web page."""

    async def handle(request: web.Request) -> web.StreamResponse:
        if text is not None:
            return web.Response(text=text, status=status, content_type="text/html", headers=headers)
        return web.Response(
            text=body if isinstance(body, str) else json.dumps(body),
            status=status,
            content_type="application/json",
            headers=headers,
        )

    return handle


async def dropping(request: web.Request) -> web.StreamResponse:
    """Announces more than it sends, then cuts the connection."""
    response = web.StreamResponse(headers={"Content-Length": "1000", "Content-Type": "application/json"})
    await response.prepare(request)
    await response.write(b'{"data": ')
    assert request.transport is not None
    request.transport.close()
    return response


@asynccontextmanager
async def scripted_upstream() -> AsyncIterator[ScriptedUpstream]:
    """The upstream on a free port of the loopback."""
    upstream = ScriptedUpstream()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", upstream._answer)
    async with TestServer(app) as server:
        upstream.base_url = str(server.make_url("")).rstrip("/")
        yield upstream
