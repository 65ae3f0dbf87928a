"""The two requests that come thousands of times a second, answered before the router: a plain poll of a
job, and a plain submit whose params, if any, came with it.

They get what the long way gives, byte for byte but for the request id (a test compares): the same check of
who comes in, the same document and headers, the same count in the metrics. Everything else, such as a
conditional request, a preference, a foreign origin, a job that is not there or params that are wrong, takes
the long way. It costs 35 us more: half of a bare handler.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any, Final

import structlog
from aiohttp import hdrs, web
from multidict import CIMultiDict, istr

from kameo_async.jobs.document import accepted, document
from kameo_async.jobs.errors import UnavailableError
from kameo_async.jobs.models import Job
from kameo_async.web import query
from kameo_async.web.door import HEADERS, REQUEST_ID_HEADER, new_request_id, tell, unrouted_problem
from kameo_async.web.keys import ACCESS, JOBS, METRICS
from kameo_async.web.metrics import JOB_ROUTE
from kameo_async.web.problems import RETRY_AFTER_SECONDS
from kameo_async.web.schemas import params_schema

log = structlog.get_logger()

LowLevelHandler = Callable[[Any], Awaitable[web.StreamResponse]]

_PREFIX: Final = "/api/jobs/"
_LENGTH: Final = len(_PREFIX) + 36  # an id is a UUID
_MOST_BYTES: Final = 4096  # of the params of a plain submit
# Whoever sends one of these wants more than the document as it is.
_SPECIAL: Final = tuple(
    istr(name)
    for name in ("Prefer", hdrs.ORIGIN, REQUEST_ID_HEADER, hdrs.UPGRADE, hdrs.EXPECT, hdrs.TRANSFER_ENCODING)
)
_SPECIAL_TO_POLLS: Final = (*_SPECIAL, istr(hdrs.IF_NONE_MATCH), istr(hdrs.CONTENT_LENGTH))
_SPECIAL_TO_SUBMITS: Final = (*_SPECIAL, istr(hdrs.CONTENT_ENCODING))
_FIXED: Final = CIMultiDict(
    {hdrs.CONTENT_TYPE: "application/json", hdrs.CACHE_CONTROL: "no-store", **HEADERS}
)
_REQUEST_ID: Final = istr(REQUEST_ID_HEADER)


def with_short_way(app: web.Application, long_way: LowLevelHandler) -> LowLevelHandler:
    """A handler for the server, before that of `app`."""
    poll, submit = _polls(app), _submits(app)

    async def handle(request: web.Request) -> web.StreamResponse:
        path, answer = request.raw_path, None
        if path.startswith(_PREFIX):
            if request.method == "GET" and len(path) == _LENGTH:
                answer = await poll(request, path[len(_PREFIX) :])
            elif request.method == "POST":
                answer = await submit(request, path[len(_PREFIX) :])
        return answer or await long_way(request)

    return handle


ShortWay = Callable[[web.Request, str], Awaitable[web.Response | None]]


def _polls(app: web.Application) -> ShortWay:
    jobs, access, metrics = app[JOBS], app[ACCESS], app[METRICS]
    tells = logging.getLogger().isEnabledFor(logging.DEBUG)

    async def poll(request: web.Request, job_id: str) -> web.Response | None:
        if _has(request, _SPECIAL_TO_POLLS):
            return None
        request_id, started = new_request_id(), asyncio.get_running_loop().time()
        try:
            access.check(request)
            job = await jobs.get(job_id)
        except UnavailableError as error:  # not tried again: a database that hangs takes seconds
            structlog.contextvars.bind_contextvars(request_id=request_id)
            answer = unrouted_problem(request, error, request_id)
            tell(metrics, request, JOB_ROUTE, answer.status, asyncio.get_running_loop().time() - started)
            return answer
        except Exception:  # the long way says what is wrong
            return None
        metrics.polled()
        if tells:
            log.debug("http.answered", method="GET", path=request.raw_path, status=200, request_id=request_id)
        headers = _headers(request_id)
        headers[hdrs.ETAG] = f'"{job.revision}"'
        if not job.is_terminal:
            headers[hdrs.RETRY_AFTER] = RETRY_AFTER_SECONDS
        return web.Response(body=document(job), headers=headers)

    return poll


def _submits(app: web.Application) -> ShortWay:
    jobs, access, metrics = app[JOBS], app[ACCESS], app[METRICS]

    async def submit(request: web.Request, name: str) -> web.Response | None:
        kind, started = jobs.kinds.get(name), asyncio.get_running_loop().time()
        if kind is None or _has(request, _SPECIAL_TO_SUBMITS) or not _has_all_come(request):
            return None
        try:
            access.check(request)
            key = query.idempotency_key(request)
            values = await query.params(request, params_schema(kind.Params))
        except Exception:  # the long way says what is wrong
            return None
        request_id = new_request_id()
        structlog.contextvars.bind_contextvars(request_id=request_id)
        try:
            job = await jobs.submit(name, values, key=key, request_id=request_id)
        except Exception as error:  # not tried again: what failed may have started a job on another machine
            answer = unrouted_problem(request, error, request_id)
        else:
            answer = _accepted(job, request_id)
        tell(metrics, request, JOB_ROUTE, answer.status, asyncio.get_running_loop().time() - started)
        return answer

    return submit


def _accepted(job: Job, request_id: str) -> web.Response:
    headers = _headers(request_id)
    headers[hdrs.RETRY_AFTER] = RETRY_AFTER_SECONDS
    headers[hdrs.LOCATION] = f"{_PREFIX}{job.job_id}"
    return web.Response(status=202, body=accepted(job), headers=headers)


def _has(request: web.Request, names: tuple[istr, ...]) -> bool:
    headers = request.headers
    for name in names:  # noqa: SIM110 - a generator expression costs as much as the rest of this function
        if name in headers:
            return True
    return False


def _has_all_come(request: web.Request) -> bool:
    """Whether the body has come, and is small: reading it can neither wait nor fail half-way."""
    return not request.body_exists or (
        request.content.is_eof() and (request.content_length or 0) <= _MOST_BYTES
    )


def _headers(request_id: str) -> CIMultiDict[str]:
    headers = CIMultiDict(_FIXED)
    headers[_REQUEST_ID] = request_id
    return headers
