"""Errors: a problem document for every status from 400 up, on every path, whoever raised it."""

import asyncio
import json
import re

import pytest
from pydantic import BaseModel

from kameo_async import Report
from tests.contract.asking import problem, raw
from tests.contract.kinds import Unsound
from tests.service import Service, running_service

UNKNOWN_PATHS = [
    "/nope",
    "/api",
    "/api/",
    "/api/jobs/",
    "/api/jobs/x/y",
    "/static/nope.js",
    "/api/jobs/x/ws/",
]


@pytest.mark.parametrize("path", UNKNOWN_PATHS)
async def test_an_unknown_path_is_404(service: Service, path: str) -> None:
    """Also the framework's own refusals are problems."""
    async with service.client.get(path) as answer:
        await problem(answer, 404)


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("PUT", "/api/jobs/echo", {"GET", "POST", "DELETE"}),
        ("PATCH", "/api/jobs", {"GET"}),
        ("POST", "/api/jobs", {"GET"}),
        ("POST", "/api/health", {"GET"}),
        ("DELETE", "/api/jobs/x/result", {"GET"}),
        ("TRACE", "/api/jobs", {"GET"}),
    ],
)
async def test_another_method_is_405(service: Service, method: str, path: str, allowed: set[str]) -> None:
    """405, and Allow says what is offered."""
    async with service.client.request(method, path) as answer:
        await problem(answer, 405)
        assert allowed <= {name.strip() for name in answer.headers["Allow"].split(",")}
        assert method not in answer.headers["Allow"].split(",")


async def test_an_expectation_that_cannot_be_met_is_a_problem(service: Service) -> None:
    """What the framework refuses before any handler has the same shape."""
    for path in ("/api/jobs/echo", "/nope"):
        async with service.client.post(path, headers={"Expect": "tea"}) as answer:
            fields = await problem(answer, answer.status)
            assert answer.status >= 400
            assert fields["instance"] == path


async def test_what_is_no_request_is_a_problem(service: Service) -> None:
    """Noise instead of HTTP: 400, with a request id."""
    said = await raw(service, b"noise\r\n\r\n")
    head, _, body = said.partition(b"\r\n\r\n")
    assert head.startswith((b"HTTP/1.1 400 ", b"HTTP/1.0 400 "))
    assert b"application/problem+json" in head
    fields = json.loads(body)
    assert fields["status"] == 400
    assert fields["request_id"].encode() in head
    assert b"noise" not in said


class Broken:
    """A kind whose schema is fine and whose result cannot be shown."""

    kind = "broken"
    title = "Break"
    description = "Raises what nobody expects."

    class Params(BaseModel):
        pass

    class Result(BaseModel):
        pass

    async def run(self, params: Params, report: Report) -> Result:
        raise RuntimeError("the password is hunter2")


async def test_a_crash_of_a_kind_tells_nothing() -> None:
    """The job ends as internal, its text kept from clients."""
    async with running_service([Broken()]) as service:
        job = await service.finished("broken")
    assert (job["status"], job["error_code"], job["retryable"]) == ("failed", "internal", False)
    assert "hunter2" not in json.dumps(job)
    assert "Traceback" not in json.dumps(job)


async def test_ours_is_500_and_tells_nothing() -> None:
    """An error of the service: 500, `request_id`, and not a word of its cause."""
    async with (
        running_service([Unsound()]) as service,
        service.client.post("/api/jobs/unsound", headers={"X-Request-ID": "mine"}) as answer,
    ):
        fields = await problem(answer, 500)
    assert fields["request_id"] == "mine"
    assert "secret" not in json.dumps(fields)


@pytest.mark.parametrize("given", ["abc", "A.b_c-9", "x" * 128])
async def test_a_sane_request_id_is_kept(service: Service, given: str) -> None:
    """On answers that are good, not modified, and refused."""
    job = await service.finished()
    path, have = job["links"]["self"], f'"{job["revision"]}"'
    for target, tag in ((path, ""), (path, have), ("/nope", "")):
        headers = {"X-Request-ID": given, "If-None-Match": tag}
        async with service.client.get(target, headers=headers) as answer:
            assert answer.headers["X-Request-ID"] == given


@pytest.mark.parametrize("given", ["", "x" * 129, "a b", "a,b", 'a"b', "å", "<b>", "a;b"])
async def test_an_insane_request_id_is_replaced(service: Service, given: str) -> None:
    """What could harm a log or a header is not taken over."""
    async with service.client.get("/api/health", headers={"X-Request-ID": given}) as answer:
        assert re.fullmatch(r"[0-9a-f]{32}", answer.headers["X-Request-ID"])


async def test_every_request_has_an_id_of_its_own(service: Service) -> None:
    """Also on one connection."""
    ids = []
    for _ in range(3):
        async with service.client.get("/api/health") as answer:
            ids.append(answer.headers["X-Request-ID"])
    assert len(set(ids)) == 3


async def test_errors_are_never_stored(service: Service) -> None:
    """Nothing under /api may be kept by a cache unasked."""
    job = await service.finished()
    for path in (job["links"]["self"], "/api/jobs", "/api/jobs/nope", job["links"]["result"], "/api/health"):
        async with service.client.get(path) as answer:
            assert answer.headers["Cache-Control"] == "no-store"


async def test_concurrent_errors_do_not_mix(service: Service) -> None:
    """Each refusal names its own path and id."""

    async def ask(n: int) -> None:
        async with service.client.get(f"/api/jobs/{n}", headers={"X-Request-ID": f"r{n}"}) as answer:
            fields = await problem(answer, 404)
            assert (fields["request_id"], fields["instance"]) == (f"r{n}", f"/api/jobs/{n}")

    await asyncio.gather(*map(ask, range(30)))
