"""AsyncAPI 3: the websockets of the service."""

from collections.abc import Iterable
from typing import Final

from kameo_async.jobs.kind import Kind
from kameo_async.web.schemas import Schema, components, reference
from kameo_async.web.websocket import NEWEST

_INFO: Final = (
    "Server to client only: any data message from a client closes the socket with 1008, one beyond 4 KiB "
    "with 1009; a shutdown closes with 1001. Before the upgrade plain HTTP answers: see /api/openapi.json."
)
_SINCE: Final[Schema] = {
    "type": "object",
    "properties": {"since": {"type": "integer", "minimum": 0, "description": "the revision that one has"}},
}
# The messages of each channel: the key there, and the component.
_JOB: Final = {"job": "job"}
_JOBS: Final = {"jobs": "jobs", "job": "listedJob", "expired": "expired"}


def describe(kinds: Iterable[Kind], version: str, *, needs_token: bool) -> Schema:
    """The document for these kinds."""
    server: Schema = {"host": "localhost", "protocol": "ws", "description": "wherever the service is"}
    parts: Schema = {"schemas": components(kinds), "messages": _messages()}
    if needs_token:
        server["security"] = [{"$ref": "#/components/securitySchemes/bearer"}]
        parts["securitySchemes"] = {"bearer": {"type": "http", "scheme": "bearer"}}
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "kameo-async",
            "version": version,
            "description": _INFO,
            "license": {"name": "MIT"},
        },
        "defaultContentType": "application/json",
        "servers": {"here": server},
        "channels": {"job": _one_job(), "jobs": _all_jobs()},
        "operations": {"followJob": _send("job", _JOB), "followJobs": _send("jobs", _JOBS)},
        "components": parts,
    }


def _one_job() -> Schema:
    return {
        "address": "/api/jobs/{job_id}/ws",
        "title": "One job",
        "description": "The current document, then each newer one, last the terminal one, then close 1000.",
        "parameters": {"job_id": {"description": "the id of the job"}},
        "bindings": {"ws": {"method": "GET", "query": _SINCE}},
        "messages": _references(_JOB),
    }


def _all_jobs() -> Schema:
    return {
        "address": "/api/jobs/ws",
        "title": "All jobs",
        "description": f"First the newest {NEWEST} jobs, then every change of any.",
        "bindings": {"ws": {"method": "GET"}},
        "messages": _references(_JOBS),
    }


def _references(messages: dict[str, str]) -> Schema:
    return {key: {"$ref": f"#/components/messages/{name}"} for key, name in messages.items()}


def _send(channel: str, messages: dict[str, str]) -> Schema:
    return {
        "action": "send",
        "channel": {"$ref": f"#/channels/{channel}"},
        "messages": [{"$ref": f"#/channels/{channel}/messages/{key}"} for key in messages],
    }


def _messages() -> Schema:
    newest = {"type": "array", "maxItems": NEWEST, "items": reference("ListedJob")}
    count = {"type": "integer", "minimum": 0}
    return {
        "job": _message("job", "The job as a GET would have answered", job=reference("JobDocument")),
        "listedJob": _message("job", "A job that changed; `data` is null", job=reference("ListedJob")),
        "jobs": _message("jobs", "The newest jobs, newest first", jobs=newest, total_jobs=count),
        "expired": _message("expired", "The reaper removed it", job_id={"type": "string"}),
    }


def _message(kind: str, title: str, **fields: Schema) -> Schema:
    properties = {"type": {"const": kind}, **fields}
    return {
        "name": kind,
        "title": title,
        "payload": {
            "type": "object",
            "additionalProperties": False,
            "required": list(properties),
            "properties": properties,
        },
    }
