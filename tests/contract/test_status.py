"""Health, readiness, kinds, the ancestor's address."""

import asyncio
import re
from typing import Any

import pytest

from kameo_async import __version__
from tests.contract.asking import problem, until
from tests.service import Service, running_service


async def health(service: Service) -> dict[str, Any]:
    async with service.client.get("/api/health") as answer:
        assert answer.status == 200
        fields: dict[str, Any] = await answer.json()
        return fields


async def test_health_says_what_runs(service: Service) -> None:
    """Version, engine, mode, time, and that nothing goes on."""
    fields = await health(service)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", fields.pop("timestamp"))
    assert fields == {
        "status": "healthy",
        "version": __version__,
        "engine": "in-process",
        "mode": "test",
        "durable": False,
        "active_jobs": 0,
        "websocket_connections": 0,
    }


async def test_health_counts_what_goes_on() -> None:
    """Jobs that wait or run, and open websockets; what ended is not counted."""
    async with running_service(max_running_jobs=1) as service:
        await service.finished()
        await service.running()
        await service.start(name="waits")
        async with service.client.ws_connect("/api/jobs/ws"):
            fields = await health(service)
            assert (fields["active_jobs"], fields["websocket_connections"]) == (2, 1)
        await until(lambda: len(service.jobs.hub) == 1)
        assert (await health(service))["websocket_connections"] == 0


async def test_ready_while_jobs_are_taken(service: Service) -> None:
    """200."""
    async with service.client.get("/api/ready") as answer:
        assert answer.status == 200


async def test_draining_takes_no_jobs_and_serves_everything_else(service: Service) -> None:
    """Submits and ready are 503 with Retry-After; reads, health and websockets go on."""
    job = await service.running()
    service.jobs.drain()
    for method, path in (("POST", "/api/jobs/echo"), ("GET", "/api/ready")):
        async with service.client.request(method, path) as answer:
            await problem(answer, 503)
            assert int(answer.headers["Retry-After"]) >= 1
    assert (await service.get(job))["status"] == "running"
    await health(service)
    async with service.client.ws_connect(job["links"]["events"]) as socket:
        assert (await socket.receive_json())["job"]["status"] == "running"
    async with service.client.get("/api/jobs") as answer:
        assert (await answer.json())["total_jobs"] == 1


async def test_a_dead_reaper_makes_it_unready(service: Service) -> None:
    """503 when finished jobs would be kept for ever; it still lives."""
    (reaper,) = [task for task in asyncio.all_tasks() if task.get_name() == "reaper"]
    reaper.cancel()
    await asyncio.wait([reaper])
    async with service.client.get("/api/ready") as answer:
        await problem(answer, 503)
    await health(service)


async def test_the_kinds_and_their_schemas(service: Service) -> None:
    """Each with title, description, table, and the JSON Schema of params and result."""
    async with service.client.get("/api/kinds") as answer:
        kinds = {kind["kind"]: kind for kind in (await answer.json())["kinds"]}
    assert list(kinds) == ["echo", "gate", "mirror"]
    echo = kinds["echo"]
    assert (echo["title"], echo["table"], kinds["gate"]["table"]) == ("Say it again", "words", None)
    assert echo["description"]
    assert echo["params"]["properties"]["times"] == {
        "type": "integer",
        "title": "Times",
        "default": 1,
        "minimum": 1,
        "maximum": 9,
        "description": "how often",
    }
    assert echo["result"]["properties"]["words"]["type"] == "array"


async def test_the_ancestors_address_leads_to_the_page(service: Service) -> None:
    """308 to `/`, from where old bookmarks point."""
    async with service.client.get("/docs/async_process_demo.html", allow_redirects=False) as answer:
        assert (answer.status, answer.headers["Location"]) == (308, "/")
        assert answer.headers["X-Request-ID"]


@pytest.mark.parametrize("path", ["/api/jobs", "/api/kinds", "/api/health", "/api/ready"])
async def test_documents_are_json(service: Service, path: str) -> None:
    """JSON in UTF-8, on GET and, without its body, on HEAD."""
    async with service.client.get(path) as get, service.client.head(path) as head:
        assert get.content_type == head.content_type == "application/json"
        await get.json()
        assert (head.status, await head.read()) == (200, b"")
