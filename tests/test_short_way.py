"""The short way of a plain poll and a plain submit: it answers as the long way does."""

import re
from typing import Any

import pytest
from pydantic import BaseModel, model_validator
from structlog.testing import capture_logs

from tests.service import Echo, Service, running_service

# A request id of the client's own takes the long way; this one is as long as ours.
LONG = {"X-Request-ID": "f" * 32}


Answer = tuple[int, dict[str, str], str]


async def answer(service: Service, target: str, **headers: str) -> Answer:
    """An answer to a poll, without what differs by request."""
    async with service.client.get(target, headers=headers) as got:
        kept = {name: value for name, value in got.headers.items() if name not in ("X-Request-ID", "Date")}
        return got.status, kept, await got.text()


async def submitted(service: Service, headers: dict[str, str] | None = None, **body: Any) -> Answer:
    """An answer to a submit, without what differs by request, by job and by time."""
    async with service.client.post("/api/jobs/echo", headers=headers, **body) as got:
        own = got.headers["X-Request-ID"]
        kept = {name: value for name, value in got.headers.items() if name not in ("X-Request-ID", "Date")}
        text = (await got.text()).replace(own, "REQUEST")
    kept["Location"] = re.sub(UUID, "JOB", kept.get("Location", ""))
    return got.status, kept, re.sub(rf"{UUID}|{TIME}", "?", text)


UUID = r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"
TIME = r"20\d\d-\d\d-\d\dT[0-9:.]+Z"


@pytest.mark.parametrize("state", ["finished", "running"])
async def test_both_ways_give_the_same(state: str) -> None:
    """Status, headers and body are equal to the byte, for a job that has ended and one that has not."""
    async with running_service() as service:
        job = await (service.finished(text="a b") if state == "finished" else service.running())
        target = job["links"]["self"]
        assert await answer(service, target) == await answer(service, target, **LONG)


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 401),
        ({"Authorization": "Bearer long-enough"}, 200),
        ({"Authorization": "Bearer long-enough", "Host": "evil.example"}, 421),
        ({"Authorization": "Bearer long-enough", "If-None-Match": "*"}, 304),
    ],
)
async def test_the_short_way_lets_nobody_in(headers: dict[str, str], status: int) -> None:
    """Host and token are checked on it as on the long one; a conditional request is answered as such."""
    async with running_service(token="long-enough") as service:
        service.client.headers["Authorization"] = "Bearer long-enough"
        target = (await service.finished(text="a"))["links"]["self"]
        del service.client.headers["Authorization"]
        for _ in range(2):  # the second time the Host is remembered
            assert (await answer(service, target, **headers))[0] == status


BODIES: list[dict[str, Any]] = [
    {},
    {"json": {}},
    {"json": {"text": "å", "tags": ["a", "b"]}},
    {"data": b""},
    {"data": b"{"},
    {"data": b"[]", "headers": {"Content-Type": "application/json"}},
    {"data": b"{}", "headers": {"Content-Type": "text/plain"}},
    {"json": {"times": 0}},
    {"json": {"nothing": 1}},
    {"json": {"text": "a" * 70_000}},
    {"headers": {"Idempotency-Key": "two words"}},
    {"headers": {"Sec-Fetch-Site": "cross-site"}},
    {"headers": {"Host": "evil.example"}},
]


@pytest.mark.parametrize("is_draining", [False, True])
async def test_both_ways_of_a_submit_give_the_same(is_draining: bool) -> None:
    """Status, headers and body are equal to the byte, whatever the params are, and while it drains too."""
    async with running_service() as service:
        if is_draining:
            service.jobs.drain()
        statuses = set()
        for body in BODIES:
            own = body.get("headers", {})
            rest = {name: value for name, value in body.items() if name != "headers"}
            short = await submitted(service, own, **rest)
            assert short == await submitted(service, own | LONG, **rest), body
            statuses.add(short[0])
        assert statuses >= {400, 403, 413, 415, 421, 503 if is_draining else 202}


async def test_a_key_used_on_one_way_is_known_on_the_other() -> None:
    """The second submit is the same job; with other params it is refused."""
    key = {"Idempotency-Key": "one"}
    async with running_service() as service:
        for headers in (key, key | LONG):
            async with service.client.post("/api/jobs/echo", headers=headers) as got:
                assert got.status == 202
        async with service.client.post("/api/jobs/echo", headers=key, json={"text": "b"}) as got:
            assert got.status == 422
        assert (await service.jobs.list()).total == 1


async def test_a_submit_that_fails_is_not_tried_again() -> None:
    """An unexpected error is a 500 of which the log tells once, under the request's id."""

    class BrokenError(Exception):
        pass

    class BrokenParams(BaseModel):
        @model_validator(mode="after")
        def fail(self) -> "BrokenParams":
            tries.append(1)
            raise BrokenError

    class Bad(Echo):
        kind = "bad"
        Params = BrokenParams  # type: ignore[assignment]

    tries: list[int] = []
    async with running_service([Bad()]) as service:
        with capture_logs() as told:
            async with service.client.post("/api/jobs/bad") as got:
                assert (got.status, (await got.json())["request_id"]) == (500, got.headers["X-Request-ID"])
        assert [line["event"] for line in told if line["log_level"] == "error"] == ["http.crashed"]
        assert tries == [1]


async def test_a_job_that_is_not_there_is_a_404() -> None:
    """An id that looks like one but is none."""
    async with running_service() as service:
        status, headers, _ = await answer(service, "/api/jobs/00000000-0000-4000-8000-000000000000")
        assert (status, headers["Content-Type"]) == (404, "application/problem+json")


async def test_its_answers_are_counted() -> None:
    """Plain polls stand in the metrics beside the others."""
    async with running_service() as service:
        target = (await service.finished(text="a"))["links"]["self"]
        for headers in ({}, {}, LONG):
            await answer(service, target, **headers)
        async with service.client.get("/metrics") as got:
            text = await got.text()
    line = 'kameo_async_http_requests_total{method="GET",route="/api/jobs/{job}",status="200"} 3.0'
    assert line in text
