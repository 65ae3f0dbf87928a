"""Jobs over HTTP: submit, get, list, cancel, result. Knows jobs, never what they do."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, NamedTuple
from urllib.parse import urlencode

import orjson
from aiohttp import hdrs, web

from kameo_async import export
from kameo_async.jobs.document import accepted, decode, document, summary
from kameo_async.jobs.errors import UnknownKindError
from kameo_async.jobs.kind import Kind, table_of
from kameo_async.jobs.models import Job, JobStatus
from kameo_async.web import query
from kameo_async.web.door import REQUEST_ID
from kameo_async.web.keys import JOBS
from kameo_async.web.negotiation import Format, wanted_format
from kameo_async.web.preferences import known_tags, wait_seconds
from kameo_async.web.problems import RETRY_AFTER_SECONDS, HttpError
from kameo_async.web.schemas import params_schema, result_schema

JSON = "application/json"
_RETRY: dict[str, str] = {hdrs.RETRY_AFTER: RETRY_AFTER_SECONDS}


async def submit(request: web.Request) -> web.Response:
    """Starts a job: 202 at once, or 200 with the finished one where the client waits (RFC 7240 `wait`)."""
    jobs, name = request.app[JOBS], request.match_info["job"]
    if name not in jobs.kinds:
        raise UnknownKindError
    key, seconds = query.idempotency_key(request), wait_seconds(request)
    values = await query.params(request, params_schema(jobs.kinds[name].Params))
    job = await jobs.submit(
        name, values, key=key, request_id=request[REQUEST_ID], is_awaited=seconds is not None
    )
    applied = _applied(seconds)
    if seconds is not None:
        last = await jobs.wait(job.job_id, lambda job: job.is_terminal, seconds)
        if last.is_terminal:
            return _document(last, applied | _location(last))
        job = job if job.status is JobStatus.PENDING else last
    return web.Response(
        status=202, body=accepted(job), content_type=JSON, headers=_RETRY | _location(job) | applied
    )


async def get_job(request: web.Request) -> web.Response:
    """The job; as a long poll with `Prefer: wait=N` and the `ETag` that the client has."""
    jobs, job_id = request.app[JOBS], request.match_info["job"]
    job = await jobs.get(job_id)
    known, seconds = known_tags(request), wait_seconds(request)
    if seconds is not None and not job.is_terminal:
        job = await jobs.wait(job_id, _news(job, known), seconds)
    if known and (_tag(job) in known or "*" in known):
        return web.Response(status=304, headers=_state_headers(job) | _applied(seconds))
    return _document(job, _applied(seconds))


def _news(job: Job, known: frozenset[str]) -> Callable[[Job], bool]:
    """What a long poll waits for: a revision that the client does not have; without a tag the end."""
    if not known:
        return lambda job: job.is_terminal
    have = {_tag(job)} if "*" in known else known
    return lambda job: _tag(job) not in have


async def list_jobs(request: web.Request) -> web.Response:
    """Kept jobs, newest first, a page at a time (RFC 8288 `Link`)."""
    wanted = query.listing(request.query)
    page = await request.app[JOBS].list(
        status=wanted.status, kind=wanted.kind, limit=wanted.limit, cursor=wanted.cursor
    )
    body = b'{"total_jobs":%d,"jobs":[%b]}' % (page.total, b",".join(map(summary, page.jobs)))
    headers: dict[str, str] = {}
    if page.next_cursor is not None:
        following = {**request.query, "cursor": page.next_cursor}
        headers[hdrs.LINK] = f'<{request.path}?{urlencode(following)}>; rel="next"'
    return web.Response(body=body, content_type=JSON, headers=headers)


async def cancel(request: web.Request) -> web.Response:
    """Cancels; answers once the job's task has stopped."""
    return _document(await request.app[JOBS].cancel(request.match_info["job"]), {})


async def get_result(request: web.Request) -> web.Response:
    """The result alone: JSON, or a table as CSV or Excel."""
    jobs = request.app[JOBS]
    job = await jobs.get(request.match_info["job"])
    table = _table_of(jobs.kinds.get(job.kind))
    wanted = wanted_format(request, is_table=table is not None)
    if job.result is None:
        raise _no_result(job)
    headers: dict[str, str] = {hdrs.VARY: hdrs.ACCEPT}
    if wanted.is_download:
        name = export.file_name(job.kind, job.finished_at or datetime.now(UTC), wanted.extension)
        headers[hdrs.CONTENT_DISPOSITION] = f'attachment; filename="{name}"'
    body = job.result if wanted.is_json or table is None else await _encoded(table, job.result, wanted)
    content_type, _, charset = wanted.mime.partition("; charset=")
    return web.Response(body=body, content_type=content_type, charset=charset or None, headers=headers)


class _Table(NamedTuple):
    """What a table needs beside the result: the kind, and the field that holds the rows."""

    kind: Kind
    field: str


def _table_of(kind: Kind | None) -> _Table | None:
    field = table_of(kind) if kind is not None else None
    return None if kind is None or field is None else _Table(kind, field)


async def _encoded(table: _Table, result: bytes, wanted: Format) -> bytes:
    columns = export.columns(result_schema(table.kind.Result), table.field)
    rows = decode(result).get(table.field, [])
    # Thousands of rows take longer than the loop may be held.
    if wanted.extension == "xlsx":
        return await asyncio.to_thread(export.to_xlsx, columns, rows, table.kind.title)
    return await asyncio.to_thread(export.to_csv, columns, rows, wanted.locale)


def _no_result(job: Job) -> HttpError:
    if job.is_terminal:
        return HttpError(409, f"The job has no result: it is {job.status}")
    return HttpError(409, f"The job is {job.status}; its result is not there yet", _RETRY)


async def list_kinds(request: web.Request) -> web.Response:
    """The kinds that a client may start, with the schemas of their params and results."""
    kinds = [_kind_document(kind) for kind in request.app[JOBS].kinds.values()]
    return web.Response(body=orjson.dumps({"kinds": kinds}), content_type=JSON)


def _kind_document(kind: Kind) -> dict[str, Any]:
    return {
        "kind": kind.kind,
        "title": kind.title,
        "description": kind.description,
        "table": table_of(kind),
        "params": params_schema(kind.Params),
        "result": result_schema(kind.Result),
    }


def _document(job: Job, headers: dict[str, str]) -> web.Response:
    return web.Response(body=document(job), content_type=JSON, headers=_state_headers(job) | headers)


def _state_headers(job: Job) -> dict[str, str]:
    tag: dict[str, str] = {hdrs.ETAG: _tag(job)}
    return tag if job.is_terminal else tag | _RETRY


def _tag(job: Job) -> str:
    return f'"{job.revision}"'


def _location(job: Job) -> dict[str, str]:
    return {hdrs.LOCATION: f"/api/jobs/{job.job_id}"}


def _applied(seconds: int | None) -> dict[str, str]:
    return {} if seconds is None else {"Preference-Applied": f"wait={seconds}"}
