"""The part of the OpenAPI document that is about the service itself, and its pages."""

from typing import Final

from kameo_async.web.openapi_terms import answer, headers, problem, problems
from kameo_async.web.schemas import Schema, reference

_TEXT: Final[Schema] = {"schema": {"type": "string"}}
_KNOWN: Final[Schema] = {"description": "the client has it", "headers": headers("ETag")}
_LOCKED: Final[Schema] = {
    "description": "a token is set; how to open the page",
    "headers": headers("WWW-Authenticate"),
    "content": {"text/html": _TEXT},
}


def service_paths() -> Schema:
    """Health, readiness, metrics, documents, pages."""
    return {
        "/api/kinds": _json("list-kinds", "The kinds with their schemas", reference("Kinds")),
        "/api/health": _json("health", "How the service is, while its process lives", reference("Health")),
        "/api/ready": _json("ready", "Whether it takes jobs", reference("Ready"), 503),
        "/api/openapi.json": _path("openapi", "This document", _document()),
        "/api/asyncapi.json": _path("asyncapi", "The websockets, described", _document()),
        "/metrics": _path("metrics", "What Prometheus scrapes", {"200": _text("metrics", "text/plain")}),
        "/docs": _path("docs", "The page to try this from", _page()),
        "/": _path("page", "The page", _page()),
        "/docs/async_process_demo.html": _path(
            "old-page",
            "The ancestor's address of the page",
            {"308": {"description": "it has moved", "headers": headers("Location")}},
        ),
    }


def lock(document: Schema) -> None:
    """Adds what a token asks of clients: on every path but health."""
    document["security"] = [{"bearer": []}]
    document["components"]["securitySchemes"] = {
        "bearer": {
            "type": "http",
            "scheme": "bearer",
            "description": "KAMEO_ASYNC_TOKEN. A browser that has opened `/?token=…` sends a cookie instead, "
            "whose name holds the port.",
        }
    }
    for path, item in document["paths"].items():
        for operation in (item[method] for method in item.keys() & {"get", "post", "delete"}):
            if path == "/api/health":
                operation["security"] = []
            else:
                operation["responses"]["401"] = _LOCKED if path == "/" else problem(401)


def _page() -> Schema:
    return {"200": _text("a page", "text/html", "ETag"), "304": _KNOWN}


def _document() -> Schema:
    return {"200": answer("a document", {"type": "object"}, "ETag"), "304": _KNOWN}


def _text(description: str, mime: str, *names: str) -> Schema:
    return {"description": description, "headers": headers(*names), "content": {mime: _TEXT}}


def _json(operation: str, summary: str, schema: Schema, *statuses: int) -> Schema:
    return _path(operation, summary, {"200": answer(summary, schema), **problems(*statuses)})


def _path(operation: str, summary: str, responses: Schema) -> Schema:
    return {
        "get": {
            "operationId": operation,
            "tags": ["service"],
            "summary": summary,
            "responses": {**problems(), **responses},
        }
    }
