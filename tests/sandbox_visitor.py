"""A visitor of the sandbox who knows nothing but what goes over the wire."""

import asyncio
import hashlib
import hmac
import re
from base64 import b32decode
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

from aiohttp import ClientResponse, ClientSession, CookieJar

from kameo_async.sandbox import RunningSandbox, SandboxOptions, running_sandbox
from tests.clock import FakeClock

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)
NORDIC = {
    "subscription_origin_sweden": 1,
    "subscription_origin_norway": 0,
    "subscription_origin_denmark": 1,
}


class SlowClock(FakeClock):
    """Says when somebody sleeps on it."""

    def __init__(self, now: datetime) -> None:
        super().__init__(now)
        self.slept = asyncio.Event()

    async def sleep(self, seconds: float) -> None:
        self.slept.set()
        await super().sleep(seconds)


class Visitor:
    """One session at a sandbox, whose clock only `clock` moves."""

    def __init__(self, sandbox: RunningSandbox, clock: SlowClock, http: ClientSession) -> None:
        self.sandbox = sandbox
        self.clock = clock
        self._http = http

    async def get(self, path: str, **options: Any) -> ClientResponse:
        """The answer to a page of the site, its redirects not followed."""
        return await self._send("GET", self.sandbox.base_url + path, **options)

    async def post(self, path: str, form: dict[str, str], **headers: str) -> ClientResponse:
        address = self.sandbox.base_url + path
        return await self._send("POST", address, data=form, headers=headers)

    async def listing(self, page: int = 1, limit: int = 12, **query: Any) -> ClientResponse:
        address = f"{self.sandbox.api_url}/loans/listing/investment-options"
        params = {**NORDIC, "page": page, "limit": limit, **query}
        return await self._send("GET", address, params=params)

    async def _send(self, method: str, address: str, **options: Any) -> ClientResponse:
        answer = await self._http.request(method, address, allow_redirects=False, **options)
        await answer.read()
        return answer

    async def page(self, page: int = 1, limit: int = 12, **query: Any) -> Any:
        """What stands in `data` of a page of the listing."""
        answer = await self.listing(page, limit, **query)
        assert answer.status == 200, await answer.text()
        return (await answer.json())["data"]

    async def send_password(self, **form: str) -> ClientResponse:
        text = await (await self.get("/user/login")).text()
        token = re.search(r'<meta name="csrf-token" id="ezxform_token_js" content="([0-9a-f]{40})">', text)
        headers = {"X-CSRF-Token": token[1]} if token else {}
        given = {"Login": self.sandbox.email, "Password": self.sandbox.password}
        return await self.post(
            "/user/login", given | {"LoginButton": "", "RedirectURI": ""} | form, **headers
        )

    async def form_token(self, action: str = "/auth/2fa") -> str:
        text = await (await self.get("/auth/2fa")).text()
        form = text.split(f'action="{action}"')[1]
        return form.split('name="ezxform_token" value="')[1][:40]

    async def send_code(self, code: str | None = None, **form: str) -> ClientResponse:
        given = {"ezxform_token": await self.form_token(), "code": code or self.code(), "submit_code": ""}
        return await self.post("/auth/2fa", given | form)

    async def log_in(self) -> None:
        await self.send_password()
        answer = await self.send_code()
        assert answer.headers["Location"] == "/aktuella-lan"

    def code(self, step: int = 0) -> str:
        """The code now, or some steps later: RFC 6238, written apart from the sandbox's."""
        text = self.sandbox.totp_secret.replace(" ", "").upper()
        moment = int(self.clock.now().timestamp()) // 30 + step
        mac = hmac.new(b32decode(text), moment.to_bytes(8, "big"), hashlib.sha1).digest()
        number = int.from_bytes(mac[mac[-1] & 15 :][:4], "big") & (2**31 - 1)
        return f"{number % 1_000_000:06}"


@asynccontextmanager
async def visitor_of(sandbox: RunningSandbox, clock: SlowClock) -> AsyncIterator[Visitor]:
    """A visitor who is not logged in, and whose headers are those of the site's own pages."""
    headers = {
        "Origin": sandbox.base_url,
        "Referer": f"{sandbox.base_url}/aktuella-lan",
        "Accept-Language": "sv",
        "User-Agent": "visitor",
    }
    async with ClientSession(cookie_jar=CookieJar(unsafe=True), headers=headers) as http:
        yield Visitor(sandbox, clock, http)


@asynccontextmanager
async def visiting(options: SandboxOptions) -> AsyncIterator[Visitor]:
    """A visitor of a sandbox of his own."""
    clock = SlowClock(NOW)
    async with running_sandbox(options, clock) as sandbox, visitor_of(sandbox, clock) as visitor:
        yield visitor
