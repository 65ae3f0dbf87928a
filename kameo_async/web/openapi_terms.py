"""The vocabulary of the OpenAPI document: headers, problems, params that several routes share."""

from typing import Any

from kameo_async.web.schemas import Schema, reference

JSON = "application/json"

HEADERS: dict[str, Schema] = {
    "Location": {"description": "where the job is", "schema": {"type": "string"}},
    "Retry-After": {
        "description": "seconds before it makes sense to ask again",
        "schema": {"type": "integer"},
    },
    "ETag": {
        "description": "changes with every revision, and only then; for If-None-Match",
        "schema": {"type": "string"},
    },
    "Link": {
        "description": 'the next page, as `<…>; rel="next"`, while there is more (RFC 8288)',
        "schema": {"type": "string"},
    },
    "Preference-Applied": {
        "description": "`wait=N`: the preference was honoured (RFC 7240)",
        "schema": {"type": "string"},
    },
    "Content-Disposition": {"description": "a file name", "schema": {"type": "string"}},
    "WWW-Authenticate": {"description": "Bearer (RFC 6750)", "schema": {"type": "string"}},
    "Upgrade": {"description": "websocket", "schema": {"type": "string"}},
    "Vary": {"description": "Accept: it decides on the form", "schema": {"type": "string"}},
    "X-Request-ID": {
        "description": "the client's, when it is sane, else a new one; the log has it too",
        "schema": {"type": "string"},
    },
}

_PROBLEMS = {
    400: "a param out of range, of the wrong type or unknown; a body that is no JSON object",
    401: "a token is set, and none or a wrong one was given",
    403: "a page of another origin may not do this",
    404: "no such job, kind or path",
    406: "the result does not come in that form",
    408: "the body did not come in time",
    409: "the job has no result, or has ended otherwise",
    413: "the body is over 64 KiB",
    415: "the body is not JSON",
    421: "a foreign Host",
    422: "the Idempotency-Key was used with other params or another kind",
    426: "this is a websocket",
    500: "ours; the log has the cause under the request_id",
    503: "no job can be taken now; nothing was started",
}
_EVERYWHERE = (400, 421, 500)  # 400 also for what is no HTTP

WAIT: Schema = {
    "name": "Prefer",
    "in": "header",
    "description": "`wait=N`: seconds to wait for news, at most 60 (RFC 7240)",
    "schema": {"type": "string"},
    "example": "wait=30",
}
KNOWN: Schema = {
    "name": "If-None-Match",
    "in": "header",
    "description": "the ETag that the client has (RFC 9110)",
    "schema": {"type": "string"},
}
KEY: Schema = {
    "name": "Idempotency-Key",
    "in": "header",
    "description": "the same key with the same params gives the same job",
    "schema": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]+$"},
}
JOB_ID: Schema = {
    "name": "job_id",
    "in": "path",
    "required": True,
    "schema": {"type": "string", "format": "uuid"},
}
SINCE: Schema = {
    "name": "since",
    "in": "query",
    "description": "leaves out what the client has: revisions up to this one",
    "schema": {"type": "integer", "minimum": 0, "maximum": 10**18 - 1},
}


# Where to go with a job.
LINKS: Schema = {
    operation: {"operationId": operation, "parameters": {"job_id": "$response.body#/job_id"}}
    for operation in ("get-job", "cancel-job", "get-result", "follow-job")
}


def answer(description: str, schema: Schema, *names: str, example: Any = None) -> Schema:
    """An answer in JSON."""
    content = {"schema": schema} | ({} if example is None else {"example": example})
    return {"description": description, "headers": headers(*names), "content": {JSON: content}}


def headers(*names: str) -> Schema:
    """References to the headers of an answer."""
    return {name: {"$ref": f"#/components/headers/{name}"} for name in (*names, "X-Request-ID")}


def problems(*statuses: int) -> Schema:
    """References to the problems that a route may answer with, those of every route included."""
    return {str(status): problem(status) for status in sorted({*_EVERYWHERE, *statuses})}


def problem(status: int) -> Schema:
    """A reference to the problem of a status."""
    return {"$ref": f"#/components/responses/{status}"}


def problem_responses() -> Schema:
    """All problems there are."""
    extra = {401: "WWW-Authenticate", 409: "Retry-After", 426: "Upgrade", 503: "Retry-After"}
    content = {"application/problem+json": {"schema": reference("Problem")}}
    return {
        str(status): {
            "description": description,
            "headers": headers(*filter(None, [extra.get(status)])),
            "content": content,
        }
        for status, description in _PROBLEMS.items()
    }
