"""One request to Kameo: bounded in size and time, its failures translated to our errors."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from http.cookies import SimpleCookie
from typing import Protocol

import aiohttp
from multidict import CIMultiDictProxy
from yarl import URL

from kameo_async.kameo.config import KameoConfig
from kameo_async.kameo.errors import (
    KameoError,
    MaintenanceError,
    UpstreamInvalidError,
    UpstreamUnavailableError,
)

MAX_JSON_BYTES = 8 * 1024 * 1024
MAX_HTML_BYTES = 1024 * 1024

_BUSY = frozenset({502, 503, 504})
_SLOWEST_ANSWER_SECONDS = 60
_CHUNK_BYTES = 64 * 1024


class Observer(Protocol):
    """Told of what goes to Kameo, for metrics."""

    def requested(self, outcome: str) -> None:
        """A request ended: its HTTP status, or `timeout`, `lost`, `too_large`."""

    def throttled(self, seconds: float) -> None:
        """A request waited so long for its turn."""


class NoObserver:
    """Listens to nothing."""

    def requested(self, outcome: str) -> None: ...

    def throttled(self, seconds: float) -> None: ...


@dataclass(frozen=True, slots=True, repr=False)
class Answer:
    """What came back. It may hold cookies and tokens, so it has no telling repr."""

    url: URL
    status: int
    headers: CIMultiDictProxy[str]
    cookies: SimpleCookie
    content_type: str
    body: bytes

    @property
    def is_html(self) -> bool:
        """Whether it says that it is a web page."""
        return self.content_type in ("text/html", "application/xhtml+xml")

    @property
    def location(self) -> URL | None:
        """Where a redirect leads, made absolute; null when it is none. Raises UpstreamInvalidError."""
        if self.status not in (301, 302, 303, 307, 308):
            return None
        try:
            return self.url.join(URL(self.headers["Location"]))
        except (KeyError, ValueError) as error:
            raise UpstreamInvalidError("Kameo redirects to nowhere") from error

    def text(self) -> str:
        """The body as text; what is not UTF-8 is replaced."""
        return self.body.decode("utf-8", "replace")


def open_session() -> aiohttp.ClientSession:
    """A session that keeps no cookies of its own: the login holds them, and says where they go."""
    return aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar())


class Transport:
    """Sends requests to Kameo as its own pages would, one at a time, following nothing."""

    def __init__(self, session: aiohttp.ClientSession, config: KameoConfig, observer: Observer) -> None:
        self._session = session
        self._observer = observer
        self._origin = str(config.site.origin())
        self._user_agent = config.user_agent
        self._timeout = aiohttp.ClientTimeout(
            total=max(_SLOWEST_ANSWER_SECONDS, config.connect_timeout + 2 * config.read_timeout),
            sock_connect=config.connect_timeout,
            sock_read=config.read_timeout,
        )

    async def get(
        self, url: URL, cookies: Mapping[str, str], *, referer: URL, accept: str, max_bytes: int
    ) -> Answer:
        """GETs `url`. Raises UpstreamUnavailableError and UpstreamInvalidError."""
        headers = self._headers(cookies, referer) | {"Accept": accept}
        return await self._send("GET", url, headers, max_bytes)

    async def post(
        self,
        url: URL,
        cookies: Mapping[str, str],
        form: Mapping[str, str],
        *,
        referer: URL,
        csrf: str | None = None,
    ) -> Answer:
        """POSTs a form of the site. Raises the same."""
        headers = self._headers(cookies, referer) | {"Accept": "text/html"}
        if csrf:
            headers["X-CSRF-Token"] = csrf
        return await self._send("POST", url, headers, MAX_HTML_BYTES, form)

    def _headers(self, cookies: Mapping[str, str], referer: URL) -> dict[str, str]:
        headers = {
            "Origin": self._origin,
            "Referer": str(referer),
            "Accept-Language": "sv",
            "User-Agent": self._user_agent,
        }
        if cookies:
            headers["Cookie"] = "; ".join(f"{name}={value}" for name, value in cookies.items())
        return headers

    async def _send(
        self,
        method: str,
        url: URL,
        headers: dict[str, str],
        max_bytes: int,
        form: Mapping[str, str] | None = None,
    ) -> Answer:
        try:
            async with self._session.request(
                method, url, headers=headers, data=form, allow_redirects=False, timeout=self._timeout
            ) as response:
                answer = await _read(response, max_bytes)
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError, asyncio.IncompleteReadError) as error:
            raise self._lost(error, url) from error
        except UpstreamInvalidError:
            self._observer.requested("too_large")
            raise
        self._observer.requested(str(answer.status))
        return answer

    def _lost(self, error: Exception, url: URL) -> KameoError:
        """What `_send` raises; held in a name there, it and all that waits for it would be a cycle."""
        outcome, problem = _translated(error, url)
        self._observer.requested(outcome)
        return problem


async def _read(response: aiohttp.ClientResponse, max_bytes: int) -> Answer:
    body = bytearray()
    async for chunk in response.content.iter_chunked(_CHUNK_BYTES):
        body += chunk
        if len(body) > max_bytes:
            raise UpstreamInvalidError(f"Kameo's answer is larger than {max_bytes} bytes")
    content_type = response.content_type.lower() if "Content-Type" in response.headers else ""
    return Answer(
        response.url, response.status, response.headers, response.cookies, content_type, bytes(body)
    )


def _translated(error: Exception, url: URL) -> tuple[str, KameoError]:
    """The outcome for metrics and our error for one of aiohttp's, which may hold headers."""
    if isinstance(error, TimeoutError):
        return "timeout", UpstreamUnavailableError(f"Kameo did not answer in time at {url.host}")
    if isinstance(error, aiohttp.ClientConnectorCertificateError | aiohttp.ClientSSLError):
        return "lost", UpstreamUnavailableError(
            f"No trusted connection to {url.host} could be made", retry=False
        )
    if isinstance(error, aiohttp.ClientConnectorError):
        return "lost", UpstreamUnavailableError(f"Nobody answers at {url.host}, port {url.port}")
    if isinstance(error, aiohttp.ClientResponseError | ValueError):
        return "invalid", UpstreamInvalidError(f"What came from {url.host} is not HTTP")
    return "lost", UpstreamUnavailableError(f"The connection to {url.host} was lost")


def check_status(answer: Answer) -> None:
    """Raises for a status that no step expects: what may pass as unavailable, the rest as invalid."""
    if answer.status == 503 and answer.is_html:
        raise MaintenanceError("Kameo is closed for maintenance (it answers 503 with a web page)")
    if answer.status in _BUSY:
        raise UpstreamUnavailableError(f"Kameo is not available (it answers {answer.status})")
    if answer.status >= 500:
        raise UpstreamUnavailableError(
            f"Kameo has a fault of its own (it answers {answer.status})", retry=False
        )
    if answer.status != 200:
        raise UpstreamInvalidError(f"Kameo answered {answer.status} where a page was expected")
