"""What every request passes: request id, access, errors to problems, headers of every answer."""

import asyncio
import itertools
import os
import re
from typing import Final

import structlog
from aiohttp import hdrs, web
from aiohttp.typedefs import Handler
from multidict import CIMultiDict

from kameo_async.web.access import UnauthorizedError
from kameo_async.web.keys import ACCESS, METRICS
from kameo_async.web.metrics import SWITCHING_PROTOCOLS, Metrics
from kameo_async.web.pages import locked_page
from kameo_async.web.problems import problem_of

log = structlog.get_logger()

REQUEST_ID: Final = web.RequestKey("REQUEST_ID", str)
REQUEST_ID_HEADER: Final = "X-Request-ID"
EXPOSED: Final = "Location, ETag, Retry-After, Link, X-Request-ID, Preference-Applied"
_RUN: Final = os.urandom(8).hex()
_REQUESTS: Final = itertools.count(1)
_SANE_ID: Final = re.compile(r"[A-Za-z0-9._-]{1,128}")

HEADERS: Final = {
    "Server": "kameo-async",
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
}


def new_request_id() -> str:
    """Different for every request of every run; not a secret, so it costs no system call."""
    return f"{_RUN}{next(_REQUESTS):016x}"


@web.middleware
async def door(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Lets the request in or not, and turns whatever it ends on into an answer."""
    given = request.headers.get(REQUEST_ID_HEADER, "")
    request_id = request[REQUEST_ID] = given if _SANE_ID.fullmatch(given) else new_request_id()
    structlog.contextvars.bind_contextvars(request_id=request_id)
    started = asyncio.get_running_loop().time()
    try:
        request.app[ACCESS].check(request)
        response = await handler(request)
    except UnauthorizedError as error:
        is_page = request.path == "/" and request.method in ("GET", "HEAD")
        response = locked_page() if is_page else problem_of(request, error, request_id)
    except web.HTTPException as error:
        response = redirect(error) if error.status < 400 else problem_of(request, error, request_id)
    except Exception as error:
        response = problem_of(request, error, request_id)
    if response.status != SWITCHING_PROTOCOLS:  # told when it was opened: its end is the client's as often
        _tell(request, response.status, asyncio.get_running_loop().time() - started)
    return response


def redirect(error: web.HTTPException) -> web.Response:
    """The answer that a raised redirect means."""
    return web.Response(status=error.status, headers={hdrs.LOCATION: error.headers[hdrs.LOCATION]})


def _tell(request: web.Request, status: int, seconds: float) -> None:
    resource = request.match_info.route.resource
    route = resource.canonical if resource is not None else "unmatched"
    tell(request.app[METRICS], request, route, status, seconds)


def tell(metrics: Metrics, request: web.BaseRequest, route: str, status: int, seconds: float) -> None:
    """Counts and logs an answer."""
    metrics.answered(request.method, route, status, seconds)
    # A line for each successful read costs half of the throughput; a submit has one of its own.
    is_usual = status < 400 and (request.method in ("GET", "HEAD") or status == 202)
    say = log.debug if is_usual else log.info
    path = request.rel_url.raw_path
    say("http.answered", method=request.method, path=path, status=status, seconds=round(seconds, 4))


def unrouted_problem(
    request: web.BaseRequest, error: Exception, request_id: str, instance: str | None = None
) -> web.Response:
    """A problem with all headers, for a request that no router has seen, and so no hook either."""
    answer = problem_of(request, error, request_id, instance)
    set_own_headers(answer.headers)
    answer.headers[REQUEST_ID_HEADER] = request_id
    answer.headers[hdrs.CACHE_CONTROL] = "no-store"
    return answer


def set_own_headers(headers: CIMultiDict[str]) -> None:
    """What every answer carries, whatever it is."""
    headers.update(HEADERS)


async def set_headers(request: web.Request, response: web.StreamResponse) -> None:
    """The `on_response_prepare` hook, after that of aiohttp-cors, which asserts that it is the first."""
    headers = response.headers
    set_own_headers(headers)
    headers[REQUEST_ID_HEADER] = request.get(REQUEST_ID, "")
    if request.path.startswith("/api/"):
        headers.setdefault(hdrs.CACHE_CONTROL, "no-store")
    if response.status == SWITCHING_PROTOCOLS:
        _tell(request, response.status, 0)
    origin = request.headers.get(hdrs.ORIGIN)
    if origin is not None:
        _allow(request, headers, origin)


def _allow(request: web.Request, headers: CIMultiDict[str], origin: str) -> None:
    """CORS where aiohttp-cors sets none: unknown paths, other methods, the service's own origin."""
    headers.add(hdrs.VARY, hdrs.ORIGIN)
    access = request.app[ACCESS]
    if not access.may_read(request, origin):
        return
    headers[hdrs.ACCESS_CONTROL_ALLOW_ORIGIN] = origin
    headers[hdrs.ACCESS_CONTROL_EXPOSE_HEADERS] = EXPOSED
    headers["Cross-Origin-Resource-Policy"] = "cross-origin"
    if access.may_send_credentials(request, origin):
        headers[hdrs.ACCESS_CONTROL_ALLOW_CREDENTIALS] = "true"
