"""The OpenAPI document: valid by its own validator, true to the routes, and to what the service answers."""

import asyncio
import re
from collections import defaultdict
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from enum import Enum
from typing import Any

import aiohttp
import jsonschema
import orjson
import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator
from pydantic import BaseModel

from kameo_async import Report
from kameo_async.app import create_app
from kameo_async.settings import ServiceSettings
from kameo_async.web.documents import DOCUMENTS
from kameo_async.web.examples import ACCEPTED, FINISHED
from kameo_async.web.openapi import describe
from kameo_async.web.routes import JOB, ROUTES
from tests.service import Service, running_service

# What HTTP and the hook put on every answer, so that no route has to say it.
COMMON = frozenset(
    {
        *("cache-control", "connection", "content-length", "content-type", "date", "server"),
        *("content-security-policy", "cross-origin-opener-policy", "cross-origin-resource-policy"),
        *("referrer-policy", "x-content-type-options", "x-frame-options"),
    }
)


@dataclass(frozen=True)
class Call:
    """A request, the operation that it is, and the status that it must get."""

    operation: str
    target: str
    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = None

    @property
    def method(self) -> str:
        return self.operation.partition(" ")[0]


JSON = {"Content-Type": "application/json"}
START, GET, LIST = "post /api/jobs/echo", "get /api/jobs/{job_id}", "get /api/jobs"
CANCEL, RESULT = "delete /api/jobs/{job_id}", "get /api/jobs/{job_id}/result"
ONE, ALL = "get /api/jobs/{job_id}/ws", "get /api/jobs/ws"
SOCKET = {
    "Upgrade": "websocket",
    "Connection": "Upgrade",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
}
FOREIGN = {"Origin": "https://evil.example"}
CALLS = (
    Call(START, "/api/jobs/gate?name=two", 202, {"Prefer": "wait=0"}),
    Call(START, "/api/jobs/echo?text=a", 200, {"Prefer": "wait=9"}),
    Call(START, "/api/jobs/echo?times=0", 400),
    Call(START, "/api/jobs/echo", 403, FOREIGN),
    Call(START, "/api/jobs/echo", 413, JSON, b" " * 70_000),
    Call(START, "/api/jobs/echo", 415, {"Content-Type": "text/plain"}, b"a"),
    Call(START, "/api/jobs/echo?text=b", 422, {"Idempotency-Key": "taken"}),
    Call(START, "/api/jobs/echo", 421, {"Host": "evil.example"}),
    Call(LIST, "/api/jobs?limit=1", 200),
    Call(LIST, "/api/jobs?limit=0", 400),
    Call(GET, "{done}", 200, {"Prefer": "wait=1"}),
    Call(GET, "{running}", 200),
    Call(GET, "{done}", 304, {"If-None-Match": "*"}),
    Call(GET, "{running}", 304, {"If-None-Match": "*", "Prefer": "wait=0"}),
    Call(GET, "/api/jobs/none", 404),
    Call(CANCEL, "{running}", 403, FOREIGN),
    Call(CANCEL, "{done}", 409),
    Call(CANCEL, "/api/jobs/none", 404),
    Call(RESULT, "{done}/result", 200),
    Call(RESULT, "{done}/result?format=csv", 200),
    Call(RESULT, "{done}/result?format=xlsx", 200),
    Call(RESULT, "{done}/result?locale=en", 400),
    Call(RESULT, "/api/jobs/none/result", 404),
    Call(RESULT, "{done}/result", 406, {"Accept": "image/png"}),
    Call(RESULT, "{running}/result", 409),
    Call(ONE, "{done}/ws", 101, SOCKET),
    Call(ONE, "{done}/ws", 403, SOCKET | FOREIGN),
    Call(ONE, "/api/jobs/none/ws", 404),
    Call(ONE, "{done}/ws", 426),
    Call(ALL, "/api/jobs/ws", 101, SOCKET),
    Call(ALL, "/api/jobs/ws", 403, SOCKET | FOREIGN),
    Call(ALL, "/api/jobs/ws", 426),
    Call("get /api/kinds", "/api/kinds", 200),
    Call("get /api/health", "/api/health", 200),
    Call("get /api/ready", "/api/ready", 200),
    Call("get /api/openapi.json", "/api/openapi.json", 200),
    Call("get /api/openapi.json", "/api/openapi.json", 304, {"If-None-Match": "*"}),
    Call("get /api/asyncapi.json", "/api/asyncapi.json", 200),
    Call("get /api/asyncapi.json", "/api/asyncapi.json", 304, {"If-None-Match": "*"}),
    Call("get /metrics", "/metrics", 200),
    Call("get /docs", "/docs", 200),
    Call("get /docs", "/docs", 304, {"If-None-Match": "*"}),
    Call("get /", "/", 200),
    Call("get /", "/", 304, {"If-None-Match": "*"}),
    Call("get /docs/async_process_demo.html", "/docs/async_process_demo.html", 308),
    Call(CANCEL, "{running}", 200),
)
# Of a service that is about to stop, and that may hold no websocket.
DRAINING = (
    Call(START, "/api/jobs/echo", 503),
    Call(ONE, "{done}/ws", 503, SOCKET),
    Call(ALL, "/api/jobs/ws", 503, SOCKET),
    Call("get /api/ready", "/api/ready", 503),
)
# What may come from every operation (bytes that are no HTTP, a foreign Host, a bug of ours), and what needs
# a body that stays out for ten seconds, a job that expires while it is waited for, or a full disk.
UNSHOWN = {"400", "421", "500"}
RARE = {START: {"404", "408"}, CANCEL: {"503"}}


@pytest.fixture
async def service() -> AsyncIterator[Service]:
    async with running_service() as running:
        yield running


@pytest.fixture
async def openapi(service: Service) -> dict[str, Any]:
    async with service.client.get("/api/openapi.json") as answer:
        document: dict[str, Any] = await answer.json()
        return document


def resolved(openapi: dict[str, Any], part: dict[str, Any]) -> dict[str, Any]:
    """A part of the document with its reference followed."""
    if "$ref" not in part:
        return part
    for name in part["$ref"].removeprefix("#/").split("/"):
        openapi = openapi[name]
    return openapi


def validator(openapi: dict[str, Any], schema: dict[str, Any]) -> jsonschema.Draft202012Validator:
    """Validates against a schema of the document."""
    return jsonschema.Draft202012Validator(schema | {"components": openapi["components"]})


def answers(openapi: dict[str, Any], operation: str) -> dict[str, dict[str, Any]]:
    """The answers that the document gives to an operation, by status."""
    method, _, path = operation.partition(" ")
    described = openapi["paths"][path][method]["responses"]
    return {status: resolved(openapi, answer) for status, answer in described.items()}


async def shown(service: Service, openapi: dict[str, Any], calls: tuple[Call, ...]) -> dict[Any, set[str]]:
    """Makes the calls; gives the headers seen for each operation and status. What is not described fails."""
    places = {"done": (await service.finished(text="a b"))["links"]["self"]}
    if calls is CALLS:
        await service.client.post("/api/jobs/echo?text=a", headers={"Idempotency-Key": "taken"})
        places["running"] = (await service.running())["links"]["self"]
    else:
        service.jobs.drain()
    seen: dict[Any, set[str]] = defaultdict(set)
    for call in calls:
        seen[call.operation, str(call.status)] |= await made(service, openapi, call, places)
    return seen


async def made(service: Service, openapi: dict[str, Any], call: Call, places: dict[str, str]) -> set[str]:
    """Makes one call and holds it to the document; gives the headers of the answer that are its own."""
    asking = asyncio.ensure_future(_ask(service, call, call.target.format(**places)))
    while not asking.done():
        await service.clock.advance(0)  # so that a wait of no time ends
    async with await asking as answer:
        assert answer.status == call.status, (call, await answer.text())
        described = answers(openapi, call.operation)[str(call.status)]
        contents = described.get("content", {})
        if call.status in (101, 304, 308):
            assert contents == {}
        else:
            schema = contents[answer.content_type].get("schema")
            if answer.content_type.endswith("json"):
                validator(openapi, schema).validate(await answer.json(content_type=None))
        own = {
            name.lower() for name in answer.headers if not name.lower().startswith("sec-websocket")
        } - COMMON
        if answer.headers.get("Vary") == "Origin":  # on every answer to a page of an origin
            own -= {"vary"}
        return own - ({"upgrade"} if call.status == 101 else set())


async def _ask(service: Service, call: Call, target: str) -> aiohttp.ClientResponse:
    return await service.client.request(
        call.method, target, headers=call.headers, data=call.body, allow_redirects=False
    )


async def test_the_answers_are_those_that_are_described(service: Service, openapi: dict[str, Any]) -> None:
    """Each status, type and header that comes is described, and each that is described comes."""
    seen = await shown(service, openapi, CALLS)
    async with running_service(max_websockets=0) as draining:
        for key, headers in (await shown(draining, openapi, DRAINING)).items():
            seen[key] |= headers
    statuses: dict[str, set[str]] = {operation: set() for operation, _ in seen}
    for operation, status in seen:
        statuses[operation].add(status)
    for operation, found in statuses.items():
        described = set(answers(openapi, operation))
        assert found <= described
        assert described - found <= UNSHOWN | RARE.get(operation, set()), operation
    for (operation, status), headers in seen.items():
        told = {name.lower() for name in answers(openapi, operation)[status].get("headers", {})}
        # A problem's headers are described once for all routes, and one may have fewer.
        assert headers == told or (headers < told and int(status) >= 400), (operation, status)


async def test_every_route_is_described_and_called(openapi: dict[str, Any]) -> None:
    """Each method of each path of the URL table stands in the document, and no other; each is called here."""
    described = {
        f"{method} {path}"
        for path, item in openapi["paths"].items()
        for method in item
        if method != "parameters"
    }
    served = set()
    for route in ROUTES:
        if route.path == JOB and route.method == "POST":
            served |= {f"post /api/jobs/{kind}" for kind in ("echo", "gate")}
        else:
            served.add(f"{route.method.lower()} {route.path.replace(JOB, '/api/jobs/{job_id}')}")
    assert described == served
    assert {call.operation for call in CALLS} == described - {"post /api/jobs/gate"}


async def test_it_is_valid(openapi: dict[str, Any]) -> None:
    """The official validator finds nothing."""
    await asyncio.to_thread(OpenAPIV31SpecValidator(openapi).validate)


async def test_it_is_sent_again_only_when_it_changed(service: Service) -> None:
    """The two documents have ETags."""
    for name in ("openapi", "asyncapi"):
        async with service.client.get(f"/api/{name}.json") as answer:
            tag = answer.headers["ETag"]
            assert answer.headers["Cache-Control"] == "no-cache"
        async with service.client.get(f"/api/{name}.json", headers={"If-None-Match": tag}) as answer:
            assert (answer.status, await answer.read()) == (304, b"")


async def test_every_kind_has_its_params_and_result(openapi: dict[str, Any]) -> None:
    """A kind's models are the schemas of its route; unknown names are refused there too."""
    operation = openapi["paths"]["/api/jobs/echo"]["post"]
    assert {each["name"] for each in operation["parameters"]} >= {"text", "times", "tags"}
    schemas = openapi["components"]["schemas"]
    assert schemas["echo.Params"]["properties"]["times"]["maximum"] == 9
    assert schemas["echo.Params"]["additionalProperties"] is False
    assert "words" in schemas["echo.Result"]["properties"]


async def test_generators_of_clients_find_their_way(openapi: dict[str, Any]) -> None:
    """Each schema has a title of its own, and references lead to whole parts: what a class is made of."""
    schemas = openapi["components"]["schemas"]
    assert [name for name, schema in schemas.items() if schema["title"] != name] == []
    references = set(re.findall(r'"\$ref":"([^"]+)"', orjson.dumps(openapi).decode()))
    assert [one for one in references if not re.fullmatch(r"#/components/[a-z]+/[^/]+", one)] == []


async def test_no_client_fills_in_the_query_by_itself(openapi: dict[str, Any]) -> None:
    """Defaults stand in the body alone: one sent in the query as well would name a param twice."""
    operation = openapi["paths"]["/api/jobs/echo"]["post"]
    query = {each["name"]: each for each in operation["parameters"] if each["in"] == "query"}
    assert [name for name, each in query.items() if "default" in each["schema"]] == []
    assert query["times"]["description"] == "how often (default 1)"
    assert openapi["components"]["schemas"]["echo.Params"]["properties"]["times"]["default"] == 1


def test_the_examples_are_real() -> None:
    """The recorded answers fit the schemas under which they stand, the result of the kind included."""
    openapi = orjson.loads(create_app(ServiceSettings(), mode="test")[DOCUMENTS].openapi[1])
    described = answers(openapi, "post /api/jobs/fetch-loans")
    for status, recorded in (("202", ACCEPTED), ("200", FINISHED)):
        content = described[status]["content"]["application/json"]
        assert content["example"] == recorded
        validator(openapi, content["schema"]).validate(recorded)
    assert [loan["title"] for loan in FINISHED["data"]["loans"]] == ["Dummy Loan 1", "Dummy Loan 2"]


class Level(Enum):
    LOW, HIGH = "low", "high"


class Place(BaseModel):
    name: str
    level: Level


class Choosy:
    """Params of many types, of which an example must be made, or cannot."""

    kind, title, description = "choosy", "Choose", "Takes all sorts."

    class Params(BaseModel):
        place: Place
        level: Level
        share: Decimal = Decimal("1.50")

    class Result(BaseModel):
        n: int

    async def run(self, params: Params, report: Report) -> Result:
        raise NotImplementedError


class Picky(Choosy):
    kind = "picky"

    class Params(BaseModel):
        day: date


def test_what_a_kind_may_take_is_described_as_it_is_taken() -> None:
    """Defaults have the type of their param, and an example is one that the kind takes, or is not there."""
    openapi = describe([Choosy(), Picky()], "1", needs_token=False)
    OpenAPIV31SpecValidator(openapi).validate()
    body = openapi["paths"]["/api/jobs/choosy"]["post"]["requestBody"]["content"]["application/json"]
    assert body["example"] == {"place": {"name": "text", "level": "low"}, "level": "low"}
    validator(openapi, body["schema"]).validate(body["example"])
    assert openapi["components"]["schemas"]["choosy.Params"]["properties"]["share"]["default"] == 1.5
    body = openapi["paths"]["/api/jobs/picky"]["post"]["requestBody"]["content"]["application/json"]
    assert body.keys() == {"schema"}


class Branch(BaseModel):
    name: str
    branches: list["Branch"] = []


class Grown(Choosy):
    kind = "grown"
    Params = Branch  # type: ignore[assignment]  # any model will do


async def test_params_may_hold_themselves() -> None:
    """A model that refers to itself is described and taken as another is."""
    async with running_service([Grown()]) as service:
        openapi = describe([Grown()], "1", needs_token=False)
        params = {"name": "a", "branches": [{"name": "b"}]}
        validator(openapi, {"$ref": "#/components/schemas/grown.Params"}).validate(params)
        operation = openapi["paths"]["/api/jobs/grown"]["post"]
        assert [each["name"] for each in operation["parameters"] if each["in"] == "query"] == [*params]
        async with service.client.post("/api/jobs/grown", json=params) as answer:
            assert answer.status == 202


async def test_jobs_in_every_state_fit_the_schema(service: Service, openapi: dict[str, Any]) -> None:
    """A job that runs, ended well, failed or was cancelled fits the job's schema, listed or alone."""
    document = validator(openapi, {"$ref": "#/components/schemas/echo.Job"})
    document.validate(await service.finished(text="a b"))
    document.validate(await service.finished(text="fail"))
    running = await service.running()
    document.validate(await service.get(running))
    async with service.client.delete(running["links"]["self"]) as answer:
        document.validate(await answer.json())


async def test_a_token_is_part_of_the_description() -> None:
    """Where a token is set, everything but health asks for it, and says so when it is missing."""
    async with running_service(token="long-enough") as service:
        bearer = {"Authorization": "Bearer long-enough"}
        async with service.client.get("/api/openapi.json", headers=bearer) as answer:
            openapi = await answer.json()
        await asyncio.to_thread(OpenAPIV31SpecValidator(openapi).validate)
        assert openapi["security"] == [{"bearer": []}]
        for target in ("/api/jobs", "/"):
            call = Call(f"get {target}", target, 401)
            assert await made(service, openapi, call, {}) == {"www-authenticate", "x-request-id"}
        assert openapi["paths"]["/api/health"]["get"]["security"] == []
        assert "401" not in answers(openapi, "get /api/health")
