"""A plain poll of a job, answered before the router: the one request that comes thousands of times a second.

It gets what the long way gives, byte for byte but for the request id (a test compares): the same check of
who comes in, the same document and headers, the same count in the metrics. Everything else, such as a
conditional request, a preference, a foreign origin or a job that is not there, takes the long way.
"""

import logging
from collections.abc import Awaitable, Callable
from typing import Any, Final

import structlog
from aiohttp import hdrs, web
from multidict import CIMultiDict, istr

from kameo_async.jobs.document import document
from kameo_async.jobs.errors import JobError
from kameo_async.jobs.models import Job
from kameo_async.web.access import REFUSALS
from kameo_async.web.door import HEADERS, REQUEST_ID_HEADER, new_request_id
from kameo_async.web.keys import ACCESS, JOBS, METRICS
from kameo_async.web.problems import RETRY_AFTER_SECONDS

log = structlog.get_logger()

LowLevelHandler = Callable[[Any], Awaitable[web.StreamResponse]]

_PREFIX: Final = "/api/jobs/"
_LENGTH: Final = len(_PREFIX) + 36  # an id is a UUID
# Whoever sends one of these wants more than the document as it is.
_SPECIAL: Final = (
    istr("If-None-Match"),
    istr("Prefer"),
    istr(hdrs.ORIGIN),
    istr(REQUEST_ID_HEADER),
    istr(hdrs.UPGRADE),
    istr(hdrs.EXPECT),
    istr(hdrs.CONTENT_LENGTH),
    istr(hdrs.TRANSFER_ENCODING),
)
_FIXED: Final = CIMultiDict(
    {hdrs.CONTENT_TYPE: "application/json", hdrs.CACHE_CONTROL: "no-store", **HEADERS}
)
_REQUEST_ID: Final = istr(REQUEST_ID_HEADER)


def with_fast_polls(app: web.Application, long_way: LowLevelHandler) -> LowLevelHandler:
    """A handler for the server, before that of `app`."""
    jobs, access, metrics = app[JOBS], app[ACCESS], app[METRICS]
    tells = logging.getLogger().isEnabledFor(logging.DEBUG)

    async def handle(request: web.BaseRequest) -> web.StreamResponse:
        if not _is_plain_poll(request):
            return await long_way(request)
        try:
            access.check(request)
            job = await jobs.get(request.raw_path[len(_PREFIX) :])
        except (*REFUSALS, JobError):
            return await long_way(request)
        request_id = new_request_id()
        metrics.polled()
        if tells:
            log.debug("http.answered", method="GET", path=request.raw_path, status=200, request_id=request_id)
        return web.Response(body=document(job), headers=_headers(job, request_id))

    return handle


def _is_plain_poll(request: web.BaseRequest) -> bool:
    path, headers = request.raw_path, request.headers
    if len(path) != _LENGTH or request.method != "GET" or not path.startswith(_PREFIX):
        return False
    for name in _SPECIAL:  # noqa: SIM110 - a generator expression costs as much as the rest of this function
        if name in headers:
            return False
    return True


def _headers(job: Job, request_id: str) -> CIMultiDict[str]:
    headers = CIMultiDict(_FIXED)
    headers[hdrs.ETAG] = f'"{job.revision}"'
    headers[_REQUEST_ID] = request_id
    if not job.is_terminal:
        headers[hdrs.RETRY_AFTER] = RETRY_AFTER_SECONDS
    return headers
