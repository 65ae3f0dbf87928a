"""OpenAPI 3.1: the routes, params, answers and headers of the service."""

from collections.abc import Iterable
from typing import Any

import orjson

from kameo_async.jobs import params
from kameo_async.jobs.errors import InvalidParamsError
from kameo_async.jobs.kind import Kind, table_of
from kameo_async.jobs.models import JobStatus
from kameo_async.web.examples import ACCEPTED, FINISHED
from kameo_async.web.negotiation import CSV, LOCALES, XLSX
from kameo_async.web.openapi_service import lock, service_paths
from kameo_async.web.openapi_terms import (
    HEADERS,
    JOB_ID,
    JSON,
    KEY,
    KNOWN,
    LINKS,
    SINCE,
    WAIT,
    answer,
    headers,
    problem_responses,
    problems,
)
from kameo_async.web.schemas import ROOF, Schema, components, reference


def describe(kinds: Iterable[Kind], version: str, *, needs_token: bool) -> Schema:
    """The document for these kinds. Raises InvalidKindError for one whose models have no JSON Schema."""
    kinds = tuple(kinds)
    schemas = components(kinds)
    document: Schema = {
        "openapi": "3.1.0",
        "info": {
            "title": "kameo-async",
            "version": version,
            "summary": "Long jobs behind an HTTP API.",
            "description": "Start a job, follow it by polling, long poll or websocket, read its result.",
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "servers": [{"url": "/"}],
        "tags": [
            {"name": "jobs", "description": "Follow, cancel, read"},
            {"name": "kinds", "description": "Start"},
            {"name": "service", "description": "How it is"},
        ],
        "paths": {**_kind_paths(kinds, schemas), **_job_paths(kinds), **service_paths()},
        "components": {"schemas": schemas, "headers": HEADERS, "responses": problem_responses()},
    }
    if needs_token:
        lock(document)
    return document


def _kind_paths(kinds: Iterable[Kind], schemas: Schema) -> Schema:
    return {f"/api/jobs/{kind.kind}": {"post": _submit(kind, schemas)} for kind in kinds}


def _submit(kind: Kind, schemas: Schema) -> Schema:
    schema = schemas[f"{kind.kind}.Params"]
    required = set(schema.get("required", ()))
    return {
        "operationId": f"start-{kind.kind}",
        "tags": ["kinds"],
        "summary": kind.title,
        "description": f"{kind.description} Params come in the query or in the body, not both for one name.",
        "parameters": [
            KEY,
            WAIT,
            *(_query_param(name, field) for name, field in schema.get("properties", {}).items()),
        ],
        "requestBody": {
            "required": bool(required),
            "content": {JSON: {"schema": reference(f"{kind.kind}.Params"), **_example(kind, schemas)}},
        },
        "responses": {
            "200": answer(
                "the finished job, where `Prefer: wait` was given and it came in time",
                reference(f"{kind.kind}.Job"),
                "ETag",
                "Location",
                "Preference-Applied",
                example=FINISHED if kind.kind == FINISHED["kind"] else None,
            )
            | {"links": LINKS},
            "202": answer(
                "the job, started",
                reference("SubmittedJob"),
                "Location",
                "Retry-After",
                "Preference-Applied",
                example=ACCEPTED | {"kind": kind.kind},
            )
            | {"links": LINKS},
            **problems(403, 404, 408, 413, 415, 422, 503),
        },
    }


def _example(kind: Kind, schemas: Schema) -> Schema:
    """A body with no more than it must have, where one can be made that the kind takes."""
    least = _sample(schemas[f"{kind.kind}.Params"], schemas)
    try:
        params.validate(kind.Params, least)
    except InvalidParamsError:
        return {}
    return {"example": least}


def _sample(field: Schema, schemas: Schema) -> Any:
    """A value that may fit."""
    if "$ref" in field:
        return _sample(schemas[field["$ref"].removeprefix(ROOF)], schemas)
    known: list[Any] = [*field.get("examples", ()), *field.get("enum", ())]
    if known:
        return known[0]
    if field.get("type") == "object":
        return {name: _sample(field["properties"][name], schemas) for name in field.get("required", ())}
    samples = {"string": "text", "boolean": True, "array": []}
    return samples.get(field.get("type", ""), field.get("minimum", 1))


def _query_param(name: str, field: Schema) -> Schema:
    """A param of the query; never required there, since it may come in the body.

    Its default is only told: a client that sent it by itself would name a param of the body twice.
    """
    schema = {key: value for key, value in field.items() if key not in ("default", "description")}
    told = [field.get("description"), _told_default(field)]
    param: Schema = {"name": name, "in": "query", "schema": schema}
    return param | ({"description": " ".join(filter(None, told))} if any(told) else {})


def _told_default(field: Schema) -> str | None:
    default = field.get("default")
    return None if default is None else f"(default {orjson.dumps(default).decode()})"


def _job_paths(kinds: Iterable[Kind]) -> Schema:
    return {
        "/api/jobs": {"get": _list()},
        "/api/jobs/ws": {"get": _socket("Follow all jobs", "follow-jobs")},
        "/api/jobs/{job_id}": {"parameters": [JOB_ID], "get": _get(), "delete": _cancel()},
        "/api/jobs/{job_id}/result": {"parameters": [JOB_ID], "get": _result(kinds)},
        "/api/jobs/{job_id}/ws": {
            "parameters": [JOB_ID],
            "get": {**_socket("Follow one job", "follow-job", 404), "parameters": [SINCE]},
        },
    }


def _list() -> Schema:
    listed = {
        "type": "object",
        "required": ["total_jobs", "jobs"],
        "properties": {
            "total_jobs": {"type": "integer", "minimum": 0},
            "jobs": {"type": "array", "items": reference("ListedJob")},
        },
    }
    return {
        "operationId": "list-jobs",
        "tags": ["jobs"],
        "summary": "The kept jobs, newest first",
        "parameters": [
            {"name": "status", "in": "query", "schema": {"type": "string", "enum": list(JobStatus)}},
            {"name": "kind", "in": "query", "schema": {"type": "string"}},
            {
                "name": "limit",
                "in": "query",
                "schema": {"type": "integer", "minimum": 1, "maximum": 100, "default": 20},
            },
            {
                "name": "cursor",
                "in": "query",
                "description": "from the Link of the page before",
                "schema": {"type": "string", "pattern": "^[0-9]{1,18}$"},
            },
        ],
        "responses": {"200": answer("a page of jobs", listed, "Link"), **problems()},
    }


def _get() -> Schema:
    return {
        "operationId": "get-job",
        "tags": ["jobs"],
        "summary": "A job as it is, or as soon as it has changed",
        "parameters": [KNOWN, WAIT],
        "responses": {
            "200": answer(
                "the job; a failed one too",
                reference("JobDocument"),
                "ETag",
                "Retry-After",
                "Preference-Applied",
                example=FINISHED,
            ),
            "304": {
                "description": "the client has the newest revision",
                "headers": headers("ETag", "Retry-After", "Preference-Applied"),
            },
            **problems(404),
        },
    }


def _cancel() -> Schema:
    return {
        "operationId": "cancel-job",
        "tags": ["jobs"],
        "summary": "Cancel a job; answered once it has stopped",
        "responses": {
            "200": answer("the job, cancelled", reference("JobDocument"), "ETag"),
            **problems(403, 404, 409, 503),
        },
    }


def _result(kinds: Iterable[Kind]) -> Schema:
    kinds = tuple(kinds)
    content: Schema = {JSON: {"schema": {"anyOf": [reference(f"{kind.kind}.Result") for kind in kinds]}}}
    if any(table_of(kind) for kind in kinds):
        content |= {
            CSV.mime.partition(";")[0]: {"schema": {"type": "string"}},
            XLSX.mime: {"schema": {"type": "string", "format": "binary"}},
        }
    return {
        "operationId": "get-result",
        "tags": ["jobs"],
        "summary": "The result alone, as JSON, CSV or Excel",
        "parameters": [
            {
                "name": "format",
                "in": "query",
                "description": "wins over Accept",
                "schema": {"type": "string", "enum": ["json", "csv", "xlsx"]},
            },
            {
                "name": "locale",
                "in": "query",
                "description": "CSV as that country's Excel opens it: semicolon, decimal comma",
                "schema": {"type": "string", "enum": list(LOCALES)},
            },
        ],
        "responses": {
            "200": {
                "description": "the result",
                "headers": headers("Content-Disposition", "Vary"),
                "content": content,
            },
            **problems(404, 406, 409),
        },
    }


def _socket(summary: str, operation: str, *statuses: int) -> Schema:
    return {
        "operationId": operation,
        "tags": ["jobs"],
        "summary": f"{summary} by websocket (see /api/asyncapi.json)",
        "responses": {
            "101": {"description": "a websocket", "headers": headers()},
            **problems(403, 426, 503, *statuses),
        },
    }
