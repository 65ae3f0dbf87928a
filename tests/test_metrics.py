"""The metrics, as a scraper reads them from a running service."""

import asyncio
import re
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from prometheus_client.parser import text_string_to_metric_families

from kameo_async.app import create_app
from kameo_async.clock import SystemClock
from kameo_async.sandbox.options import SandboxOptions, parse_fault
from kameo_async.sandbox.server import running_sandbox
from kameo_async.serve import sandbox_config
from kameo_async.settings import ServiceSettings
from tests.clock import idle
from tests.service import Service, running_service

Labels = frozenset[tuple[str, str]]


@pytest.fixture
async def service() -> AsyncIterator[Service]:
    """One job at a time, so that a second one waits."""
    async with running_service(max_running_jobs=1, reap_interval_seconds=10, job_ttl_seconds=60) as running:
        yield running


async def text(service: Service) -> str:
    async with service.client.get("/metrics") as answer:
        assert answer.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
        assert answer.headers["Cache-Control"] == "no-store"
        return await answer.text()


def samples(exposed: str) -> dict[tuple[str, Labels], float]:
    """The samples by name and labels."""
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(exposed)
        for sample in family.samples
    }


async def value(service: Service, name: str, **labels: str) -> float | None:
    """One sample; None where there is none."""
    return samples(await text(service)).get((f"kameo_async_{name}", frozenset(labels.items())))


async def cancelled(service: Service, job: dict[str, Any]) -> None:
    async with service.client.delete(job["links"]["self"]) as answer:
        assert answer.status == 200


async def test_names_and_units_are_prometheus_s(service: Service) -> None:
    """Counters end in `_total`, times in seconds, every family has its help; none has `_created` series."""
    await service.finished(text="a")
    for family in text_string_to_metric_families(await text(service)):
        assert family.name.startswith("kameo_async_")
        assert family.documentation.endswith(".")
        assert re.fullmatch(r"[a-z_]+", family.name)
        if family.type == "histogram":
            assert family.name.endswith("_seconds")
        for sample in family.samples:
            assert not sample.name.endswith("_created")
            assert sample.name.endswith("_total") == (family.type == "counter")


async def test_no_id_is_a_label(service: Service) -> None:
    """Neither a job's id nor a path nor a request's id stands in the metrics."""
    job = await service.finished(text="a")
    async with service.client.get(f"{job['links']['self']}/ws", headers={"X-Request-ID": "mine"}) as answer:
        assert answer.status == 426
    async with service.client.get("/no/such/path") as answer:
        assert answer.status == 404
    exposed = await text(service)
    assert job["job_id"] not in exposed
    assert "mine" not in exposed
    assert "/no/such" not in exposed
    assert await value(service, "http_requests_total", method="GET", route="unmatched", status="404") == 1


async def test_kept_jobs_are_counted_by_kind_and_status(service: Service) -> None:
    """The gauge follows each job from state to state."""
    running, waiting = await service.running(), await service.start(name="two")
    assert await value(service, "jobs", kind="gate", status="running") == 1
    assert await value(service, "jobs", kind="gate", status="pending") == 1
    await cancelled(service, waiting)
    await cancelled(service, running)
    await service.finished(text="fail")
    assert await value(service, "jobs", kind="gate", status="cancelled") == 2
    assert await value(service, "jobs", kind="gate", status="running") in (0, None)
    assert await value(service, "jobs_finished_total", kind="gate", status="cancelled") == 2
    assert await value(service, "jobs_finished_total", kind="echo", status="failed") == 1


async def test_time_in_the_queue_and_running_is_told(service: Service) -> None:
    """A job that waits 5 s and runs 7 s is seen as just that, however much it reports."""
    await service.running()
    second = await service.start(name="two")
    await service.clock.advance(5)
    service.gate.gate("one").set()
    await service.gate.begun.setdefault("two", asyncio.Event()).wait()
    await service.gate.reports["two"](1)
    await service.clock.advance(7)
    service.gate.gate("two").set()
    async with service.client.get(second["links"]["self"], headers={"Prefer": "wait=9"}) as answer:
        assert (await answer.json())["status"] == "success"
    assert await value(service, "job_queue_seconds_count", kind="gate") == 2
    assert await value(service, "job_queue_seconds_sum", kind="gate") == 5
    assert await value(service, "job_run_seconds_sum", kind="gate") == 5 + 7
    assert await value(service, "job_run_seconds_bucket", kind="gate", le="5.0") == 1


async def test_requests_are_counted_by_route_and_status(service: Service) -> None:
    """The route is the pattern, whichever job was asked for."""
    for word in ("one", "two"):
        await service.get(await service.start("echo", text=word))
    route = "/api/jobs/{job}"
    assert await value(service, "http_requests_total", method="POST", route=route, status="202") == 2
    assert await value(service, "http_requests_total", method="GET", route=route, status="200") == 2
    assert await value(service, "http_request_duration_seconds_count", method="POST", route=route) == 2


async def test_invented_methods_are_one_series(service: Service) -> None:
    """Whoever makes up methods makes no series."""
    for method in ("PROPFIND", "MKCOL", "REPORT"):
        async with service.client.request(method, "/api/jobs") as answer:
            assert answer.status == 405
    assert "PROPFIND" not in await text(service)
    assert await value(service, "http_requests_total", method="other", route="unmatched", status="405") == 3


async def test_open_sockets_are_counted_and_are_no_slow_answers(service: Service) -> None:
    """A websocket is in the gauge while it is open, and never in the times to the answer."""
    route = "/api/jobs/ws"
    async with service.client.ws_connect(route) as socket:
        await socket.receive()
        assert await value(service, "websocket_connections") == 1
        assert await value(service, "http_requests_total", method="GET", route=route, status="101") == 1
    await idle()
    assert await value(service, "websocket_connections") == 0
    assert await value(service, "http_requests_total", method="GET", route=route, status="101") == 1
    assert not await value(service, "http_request_duration_seconds_count", method="GET", route=route)


async def test_the_reaper_is_told_of(service: Service) -> None:
    """What expired at its time, and when the reaper last ran."""
    assert await value(service, "jobs_expired_total", reason="ttl") == 0
    assert await value(service, "reaper_last_run_timestamp_seconds") is None
    await service.finished(text="a")
    await service.clock.advance(70)
    assert await value(service, "jobs_expired_total", reason="ttl") == 1
    assert await value(service, "reaper_last_run_timestamp_seconds") == service.clock.now().timestamp()
    assert await value(service, "reaper_failures_total") == 0


async def test_jobs_that_make_room_are_told_apart() -> None:
    """A job that expires early for want of room counts under its own reason."""
    async with running_service(max_kept_bytes=1) as service:
        await service.finished(text="a")
        await service.finished(text="b")
        assert await value(service, "jobs_expired_total", reason="early") == 1
        assert await value(service, "jobs_expired_total", reason="ttl") == 0


async def test_a_failed_round_of_the_reaper_is_counted(service: Service) -> None:
    """An exception in the reaper shows in the metrics, and the next round goes well."""
    await service.finished(text="a")
    service.clock.is_broken = True
    await service.clock.advance(70)
    service.clock.is_broken = False
    assert (await value(service, "reaper_failures_total") or 0) >= 1
    await service.clock.advance(60)
    await idle()
    last = await value(service, "reaper_last_run_timestamp_seconds") or 0
    assert service.clock.now().timestamp() - 60 <= last <= service.clock.now().timestamp()


async def test_requests_to_the_upstream_are_counted() -> None:
    """A fetch is seen by what the upstream answered."""
    options = SandboxOptions(latency=(0, 0), pages=2, rate_limit=6000, faults=(parse_fault("503:1"),), pace=0)
    async with running_sandbox(options, SystemClock()) as sandbox:
        app = create_app(ServiceSettings(), mode="sandbox", read_config=sandbox_config(sandbox))
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        try:
            async with aiohttp.ClientSession(f"http://127.0.0.1:{runner.addresses[0][1]}") as client:
                async with client.post("/api/jobs/fetch-loans", headers={"Prefer": "wait=20"}) as answer:
                    assert (await answer.json())["status"] == "success"
                async with client.get("/metrics") as answer:
                    found = samples(await answer.text())
        finally:
            await runner.cleanup()
    requests = "kameo_async_upstream_requests_total"
    assert found[requests, frozenset({("outcome", "503")})] == 1
    assert found[requests, frozenset({("outcome", "200")})] >= 2
