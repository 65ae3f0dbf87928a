"""AsyncAPI 3: the websockets of the service."""

from collections.abc import Iterable

from kameo_async.jobs.kind import Kind
from kameo_async.web.schemas import Schema, components, reference

_SINCE: Schema = {"type": "object", "properties": {"since": {"type": "integer", "minimum": 0}}}


def describe(kinds: Iterable[Kind], version: str, *, needs_token: bool) -> Schema:
    """The document for these kinds."""
    server: Schema = {"host": "localhost", "protocol": "ws", "description": "wherever the service is"}
    if needs_token:
        server["security"] = [{"$ref": "#/components/securitySchemes/bearer"}]
    document: Schema = {
        "asyncapi": "3.0.0",
        "info": {
            "title": "kameo-async",
            "version": version,
            "description": "Server to client only: a data message from a client closes it with 1008.",
            "license": {"name": "MIT"},
        },
        "defaultContentType": "application/json",
        "servers": {"here": server},
        "channels": {
            "job": {
                "address": "/api/jobs/{job_id}/ws",
                "title": "One job",
                "description": "The current document, then each newer one, last the terminal one, then 1000.",
                "parameters": {"job_id": {"description": "the id of the job"}},
                "bindings": {
                    "ws": {
                        "query": {
                            "type": "object",
                            "properties": {"since": {"type": "integer", "minimum": 0}},
                        }
                    }
                },
                "messages": {"job": {"$ref": "#/components/messages/job"}},
            },
            "jobs": {
                "address": "/api/jobs/ws",
                "title": "All jobs",
                "description": "The newest 100 jobs, then every change; `data` is null.",
                "messages": {
                    name: {"$ref": f"#/components/messages/{name}"} for name in ("jobs", "job", "expired")
                },
            },
        },
        "operations": {
            "followJob": _send("job", "job"),
            "followJobs": _send("jobs", "jobs", "job", "expired"),
        },
        "components": {"schemas": components(kinds), "messages": _messages()},
    }
    if needs_token:
        document["components"]["securitySchemes"] = {"bearer": {"type": "http", "scheme": "bearer"}}
    return document


def _send(channel: str, *messages: str) -> Schema:
    return {
        "action": "send",
        "channel": {"$ref": f"#/channels/{channel}"},
        "messages": [{"$ref": f"#/channels/{channel}/messages/{name}"} for name in messages],
    }


def _messages() -> Schema:
    jobs = {"type": "array", "maxItems": 100, "items": reference("ListedJob")}
    return {
        "job": _message("The job as it is now", job=reference("JobDocument")),
        "jobs": _message("The newest jobs", jobs=jobs, total_jobs={"type": "integer", "minimum": 0}),
        "expired": _message("The reaper removed it", job_id={"type": "string"}),
    }


def _message(title: str, **fields: Schema) -> Schema:
    name = next(iter(fields)) if "job_id" not in fields else "expired"
    properties = {"type": {"const": name}, **fields}
    return {
        "title": title,
        "payload": {"type": "object", "required": list(properties), "properties": properties},
    }
