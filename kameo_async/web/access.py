"""Who may come in: Host, Origin, Sec-Fetch-Site, token. The one place that decides it.

A rebound DNS name sends no Origin, so Host is checked on every request; CORS only blocks reading, so
writes and websockets are checked by Origin (WHATWG Fetch) and, without one, by Sec-Fetch-Site.
"""

import hashlib
import hmac
import re
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Final
from urllib.parse import urlsplit

from aiohttp import hdrs, web

from kameo_async.web.config import AccessConfig

SAFE_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS"})
OPEN_PATHS: Final = frozenset({"/api/health"})
_REMEMBERED_HOSTS: Final = 64
_HOST: Final = re.compile(r"(?P<name>[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(:(?P<port>[0-9]{1,5}))?")
_DEFAULT_PORTS: Final = {"http": ":80", "https": ":443"}


class MisdirectedError(Exception):
    """The Host is not one of ours."""


class ForeignOriginError(Exception):
    """A page of another origin asked for more than reading."""


class UnauthorizedError(Exception):
    """A token is set, and the request has none or a wrong one."""


REFUSALS: Final = (MisdirectedError, ForeignOriginError, UnauthorizedError)


class Access:
    """Decides on each request; knows nothing of routes but which path is open without a token."""

    def __init__(self, config: AccessConfig) -> None:
        self._origins = frozenset(config.cors_origins)
        self._hosts = frozenset(config.allowed_hosts)
        self._ours: set[str] = set()
        self._is_development = config.is_development
        self._token = config.token.encode() if config.token else None
        self._cookie = _cookie_of(config.token) if config.token else None

    def check(self, request: web.BaseRequest) -> None:
        """Raises MisdirectedError, ForeignOriginError or UnauthorizedError."""
        if not (request.raw_path.startswith("/") and request.headers.get(hdrs.HOST) in self._ours):
            self._check_host(request)
        if _is_preflight(request):
            return
        if request.method not in SAFE_METHODS or hdrs.UPGRADE in request.headers:
            self._check_origin(request)
        if self._token is not None and request.path not in OPEN_PATHS and not self.is_authorized(request):
            raise UnauthorizedError

    def may_read(self, request: web.BaseRequest, origin: str) -> bool:
        """Whether a page of `origin` may read the answer."""
        return self._is_development or self._is_listed(request, origin)

    def may_send_credentials(self, request: web.BaseRequest, origin: str) -> bool:
        """Whether a page of `origin` may send the cookie along."""
        return self._is_listed(request, origin)

    def is_authorized(self, request: web.BaseRequest) -> bool:
        """Whether the request carries the token.

        As Bearer (RFC 6750 section 2.1), as the page's cookie, or once in the page's address.
        """
        scheme, _, given = request.headers.get(hdrs.AUTHORIZATION, "").partition(" ")
        if scheme.lower() == "bearer" and self.is_token(given.strip()):
            return True
        cookie = request.cookies.get(cookie_name(request), "")
        if self._cookie is not None and hmac.compare_digest(_bytes(cookie), self._cookie.encode()):
            return True
        return request.path == "/" and self.is_token(request.query.get("token", ""))

    def is_token(self, given: str) -> bool:
        """Compares in constant time; False where no token is set."""
        return self._token is not None and hmac.compare_digest(_bytes(given), self._token)

    @property
    def cookie(self) -> str | None:
        """The value of the page's cookie: derived from the token, not the token."""
        return self._cookie

    def _check_origin(self, request: web.BaseRequest) -> None:
        origin = request.headers.get(hdrs.ORIGIN)
        if origin is None:
            if request.headers.get("Sec-Fetch-Site") in ("cross-site", "same-site"):
                raise ForeignOriginError
        elif not (self._is_listed(request, origin) or (self._is_development and _is_loopback_origin(origin))):
            raise ForeignOriginError

    def _is_listed(self, request: web.BaseRequest, origin: str) -> bool:
        return origin in self._origins or _is_own(origin, request.headers.get(hdrs.HOST, ""))

    def _check_host(self, request: web.BaseRequest) -> None:
        """Raises MisdirectedError; remembers the few Hosts that are ours whatever the connection is."""
        host = request.headers.get(hdrs.HOST, "")
        if not self._is_host_ours(request, host):
            raise MisdirectedError
        name = _host_name(host) or ""
        if len(self._ours) < _REMEMBERED_HOSTS and (_is_loopback(name) or name in self._hosts):
            self._ours.add(host)

    def _is_host_ours(self, request: web.BaseRequest, host: str) -> bool:
        if not self._is_name_ours(request, _host_name(host)):
            return False
        # The absolute form of a request target overrides Host (RFC 9112 section 3.2.2).
        return request.raw_path.startswith(("/", "*")) or self._is_name_ours(request, request.url.host)

    def _is_name_ours(self, request: web.BaseRequest, name: str | None) -> bool:
        if not name:
            return False
        if _is_loopback(name) or name in self._hosts:
            return True
        sockname = request.get_extra_info("sockname")
        return bool(sockname) and _is_same_address(name, sockname[0])


def cookie_name(request: web.BaseRequest) -> str:
    """Holds the port, since cookies are shared by all ports of a host (RFC 6265 section 8.5)."""
    sockname = request.get_extra_info("sockname") or ("", 0)
    return f"kameo_async_{sockname[1]}"


def _cookie_of(token: str) -> str:
    return hmac.new(token.encode(), b"kameo-async page", hashlib.sha256).hexdigest()


def _bytes(text: str) -> bytes:
    """Header bytes that are no UTF-8 arrive as surrogates, which `compare_digest` refuses as text."""
    return text.encode("utf-8", "surrogateescape")


def _is_preflight(request: web.BaseRequest) -> bool:
    return request.method == "OPTIONS" and hdrs.ACCESS_CONTROL_REQUEST_METHOD in request.headers


@lru_cache(1024)
def _host_name(header: str) -> str | None:
    match = _HOST.fullmatch(header)
    return match["name"].strip("[]").lower() if match else None


@lru_cache(1024)
def _is_loopback(name: str) -> bool:
    address = _address(name)
    return name == "localhost" or (address is not None and address.is_loopback)


@lru_cache(1024)
def _is_same_address(name: str, sockname: str) -> bool:
    address = _address(name)
    return address is not None and not address.is_unspecified and address == _address(sockname)


def _address(name: str) -> IPv4Address | IPv6Address | None:
    try:
        address = ip_address(name.partition("%")[0])
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address


@lru_cache(1024)
def _is_own(origin: str, host: str) -> bool:
    """Whether `origin` is the service's own, as the request's checked Host names it (http or https)."""
    scheme, separator, rest = origin.partition("://")
    if scheme not in _DEFAULT_PORTS or not separator:
        return False
    port = _DEFAULT_PORTS[scheme]
    return rest.lower().removesuffix(port) == host.lower().removesuffix(port)


@lru_cache(1024)
def _is_loopback_origin(origin: str) -> bool:
    try:
        url = urlsplit(origin)
        name = url.hostname
    except ValueError:
        return False
    return (
        url.scheme in _DEFAULT_PORTS and origin == f"{url.scheme}://{url.netloc}" and _is_loopback(name or "")
    )
