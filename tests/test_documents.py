"""OpenAPI and AsyncAPI: valid by their own validators, and true to the routes."""

import hashlib
import json
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator

from kameo_async.web.examples import ACCEPTED, FINISHED
from kameo_async.web.routes import JOB, ROUTES
from tests.service import Service, running_service

ASYNCAPI_3 = Path(__file__).parent / "vendor" / "asyncapi-3.0.0.json"


@pytest.fixture
async def service() -> AsyncIterator[Service]:
    async with running_service() as running:
        yield running


@pytest.fixture
async def openapi(service: Service) -> dict[str, Any]:
    async with service.client.get("/api/openapi.json") as answer:
        assert answer.status == 200
        document: dict[str, Any] = await answer.json()
        return document


def resolved(openapi: dict[str, Any], part: dict[str, Any]) -> dict[str, Any]:
    """A part of the document with its reference followed."""
    if "$ref" not in part:
        return part
    for name in part["$ref"].removeprefix("#/").split("/"):
        openapi = openapi[name]
    return openapi


def validator(openapi: dict[str, Any], name: str) -> jsonschema.Draft202012Validator:
    """Validates against a schema of the components."""
    schema = {"$ref": f"#/components/schemas/{name}", "components": openapi["components"]}
    return jsonschema.Draft202012Validator(schema)


async def test_openapi_is_valid(openapi: dict[str, Any]) -> None:
    """The official validator finds nothing."""
    OpenAPIV31SpecValidator(openapi).validate()


async def test_asyncapi_is_valid(service: Service) -> None:
    """The schema that AsyncAPI publishes for 3.0.0 finds nothing."""
    async with service.client.get("/api/asyncapi.json") as answer:
        jsonschema.Draft7Validator(json.loads(ASYNCAPI_3.read_text())).validate(await answer.json())


async def test_every_route_is_described(openapi: dict[str, Any]) -> None:
    """Each method of each path of the URL table stands in the document, and no other."""
    described = {
        (method.upper(), path)
        for path, item in openapi["paths"].items()
        for method in item
        if method != "parameters"
    }
    served = set()
    for route in ROUTES:
        path = route.path.replace(JOB, "/api/jobs/{job_id}")
        if route.method == "POST":
            served |= {("POST", f"/api/jobs/{kind}") for kind in ("echo", "gate")}
        else:
            served.add((route.method, path))
    assert described == served


async def test_every_kind_has_its_params_and_result(openapi: dict[str, Any]) -> None:
    """A kind's models are the schemas of its route."""
    operation = openapi["paths"]["/api/jobs/echo"]["post"]
    assert {each["name"] for each in operation["parameters"]} >= {"text", "times", "tags"}
    schemas = openapi["components"]["schemas"]
    assert schemas["echo.Params"]["properties"]["times"]["maximum"] == 9
    assert "words" in schemas["echo.Result"]["properties"]


async def test_the_examples_are_what_the_schemas_say(openapi: dict[str, Any]) -> None:
    """The recorded answers fit the schemas under which they stand."""
    validator(openapi, "SubmittedJob").validate(ACCEPTED)
    validator(openapi, "JobDocument").validate(FINISHED)
    assert FINISHED["data"]["loans"][0]["title"] == "Dummy Loan 1"


CALLS: tuple[tuple[str, str, str, dict[str, str], int], ...] = (
    ("post", "/api/jobs/echo", "/api/jobs/echo?text=a", {}, 202),
    ("post", "/api/jobs/echo", "/api/jobs/echo?text=a", {"Prefer": "wait=9"}, 200),
    ("post", "/api/jobs/echo", "/api/jobs/echo?times=0", {}, 400),
    ("post", "/api/jobs/echo", "/api/jobs/echo", {"Origin": "https://evil.example"}, 403),
    ("post", "/api/jobs/echo", "/api/jobs/echo", {"Host": "evil.example"}, 421),
    ("get", "/api/jobs", "/api/jobs?limit=1", {}, 200),
    ("get", "/api/jobs", "/api/jobs?limit=0", {}, 400),
    ("get", "/api/jobs/{job_id}", "{job}", {}, 200),
    ("get", "/api/jobs/{job_id}", "{job}", {"If-None-Match": "*"}, 304),
    ("get", "/api/jobs/{job_id}", "/api/jobs/none", {}, 404),
    ("delete", "/api/jobs/{job_id}", "{job}", {}, 409),
    ("get", "/api/jobs/{job_id}/result", "{job}/result", {}, 200),
    ("get", "/api/jobs/{job_id}/result", "{job}/result?format=csv", {}, 200),
    ("get", "/api/jobs/{job_id}/result", "{job}/result", {"Accept": "image/png"}, 406),
    ("get", "/api/jobs/{job_id}/ws", "{job}/ws", {}, 426),
    ("get", "/api/jobs/ws", "/api/jobs/ws", {}, 426),
    ("get", "/api/kinds", "/api/kinds", {}, 200),
    ("get", "/api/health", "/api/health", {}, 200),
    ("get", "/api/ready", "/api/ready", {}, 200),
    ("get", "/metrics", "/metrics", {}, 200),
    ("get", "/docs", "/docs", {}, 200),
    ("get", "/", "/", {}, 200),
    ("get", "/docs/async_process_demo.html", "/docs/async_process_demo.html", {}, 308),
)


@pytest.mark.parametrize(("method", "path", "target", "headers", "status"), CALLS)
async def test_each_answer_is_one_that_is_described(
    service: Service,
    openapi: dict[str, Any],
    method: str,
    path: str,
    target: str,
    headers: dict[str, str],
    status: int,
) -> None:
    """Status, content type and the contract's headers of an answer stand in the document."""
    job = await service.finished(text="a b")
    await service.finished(text="c")
    url = target.format(job=job["links"]["self"])
    async with service.client.request(method, url, headers=headers, allow_redirects=False) as answer:
        assert answer.status == status
        described = resolved(openapi, openapi["paths"][path][method]["responses"][str(status)])
        if answer.content_type != "application/octet-stream":
            assert answer.content_type in described.get("content", {})
        told = {name.lower() for name in described.get("headers", {})}
        ours = (
            "location",
            "retry-after",
            "etag",
            "link",
            "preference-applied",
            "content-disposition",
            "allow",
        )
        assert {name for name in ours if name in answer.headers} <= told
        if answer.content_type == "application/problem+json":
            validator(openapi, "Problem").validate(await answer.json())


async def test_documents_of_jobs_fit_their_schema(service: Service, openapi: dict[str, Any]) -> None:
    """A job at its start, running, ended well, failed and cancelled fits the job's schema."""
    document = validator(openapi, "JobDocument")
    document.validate(await service.finished(text="a b"))
    document.validate(await service.finished(text="fail"))
    running = await service.running()
    document.validate(await service.get(running))
    async with service.client.delete(running["links"]["self"]) as answer:
        document.validate(await answer.json())
    async with service.client.get("/api/jobs") as answer:
        for job in (await answer.json())["jobs"]:
            validator(openapi, "ListedJob").validate(job)


async def test_a_token_is_part_of_the_description() -> None:
    """Where a token is set, everything but health asks for it."""
    async with running_service(token="long-enough") as service:
        bearer = {"Authorization": "Bearer long-enough"}
        async with service.client.get("/api/openapi.json", headers=bearer) as answer:
            openapi = await answer.json()
    assert openapi["security"] == [{"bearer": []}]
    assert openapi["paths"]["/api/health"]["get"]["security"] == []
    OpenAPIV31SpecValidator(openapi).validate()


def test_vendored_files_are_what_the_table_says() -> None:
    """Each checksum of static/vendor is that of the file."""
    folder = Path(__file__).parent.parent / "static" / "vendor"
    rows = re.findall(
        r"^\| `([^`]+)` .*`([0-9a-f]{64})` \|$", (folder / "README.md").read_text(), re.MULTILINE
    )
    assert rows
    for name, checksum in rows:
        assert hashlib.sha256((folder / name).read_bytes()).hexdigest() == checksum
