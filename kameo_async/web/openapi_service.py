"""The part of the OpenAPI document that is about the service itself, and its pages."""

from typing import Final

from kameo_async.web.openapi_terms import answer, headers, problems
from kameo_async.web.schemas import Schema, reference

_TEXT: Final[Schema] = {"schema": {"type": "string"}}


def service_paths() -> Schema:
    """Health, readiness, metrics, documents, pages."""
    return {
        "/api/kinds": _json("list-kinds", "The kinds with their schemas", reference("Kinds")),
        "/api/health": _json("health", "How the service is, while its process lives", reference("Health")),
        "/api/ready": _json("ready", "Whether it takes jobs", reference("Ready"), 503),
        "/api/openapi.json": _json("openapi", "This document", {"type": "object"}),
        "/api/asyncapi.json": _json("asyncapi", "The websockets, described", {"type": "object"}),
        "/metrics": _path("metrics", "What Prometheus scrapes", {"200": _text("metrics", "text/plain")}),
        "/docs": _path("docs", "The page to try this from", _page()),
        "/": _path("page", "The page", {**_page(), "401": _locked()}),
        "/docs/async_process_demo.html": _path(
            "old-page",
            "The ancestor's address of the page",
            {"308": {"description": "it has moved", "headers": headers("Location")}},
        ),
    }


def _page() -> Schema:
    """A file, for which browsers ask again with its ETag."""
    page = _text("a page", "text/html", "ETag")
    return {"200": page, "304": {"description": "the client has it", "headers": headers("ETag")}}


def _locked() -> Schema:
    return _text("a token is set; how to open the page", "text/html", "WWW-Authenticate")


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
