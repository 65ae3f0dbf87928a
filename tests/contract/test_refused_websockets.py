"""Websockets that are refused before the upgrade, over plain HTTP."""

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus
from websockets.typing import Origin

from tests.contract.asking import declined, opened, problem, until
from tests.service import Service, running_service


@pytest.mark.parametrize("query", ["since=-1", "since=x", "since=", "since=1&since=2", "sinec=1"])
async def test_a_wrong_since_is_refused_before_the_upgrade(service: Service, query: str) -> None:
    """400 over plain HTTP."""
    job = await service.running()
    with pytest.raises(InvalidStatus) as refused:
        async with opened(service, f"{job['links']['events']}?{query}"):
            pass
    assert refused.value.response.status_code == 400


async def test_the_socket_over_all_jobs_takes_no_since(service: Service) -> None:
    """There is no one revision that a client could have of all jobs: 400."""
    with pytest.raises(InvalidStatus) as refused:
        async with opened(service, "/api/jobs/ws?since=1"):
            pass
    assert refused.value.response.status_code == 400


@pytest.mark.parametrize("path", ["/api/jobs/nope/ws", "/api/jobs/gate/ws"])
async def test_no_such_job_is_refused_before_the_upgrade(service: Service, path: str) -> None:
    """404 over plain HTTP, as a problem document."""
    with pytest.raises(InvalidStatus) as refused:
        async with opened(service, path):
            pass
    assert refused.value.response.status_code == 404
    assert refused.value.response.headers["Content-Type"] == "application/problem+json"
    async with service.client.get(path) as answer:
        assert (await problem(answer, 404))["detail"] == "Job not found"


async def test_a_foreign_origin_is_refused_before_the_upgrade(service: Service) -> None:
    """403, and no subscription is left."""
    listeners = len(service.jobs.hub)
    with pytest.raises(InvalidStatus) as refused:
        async with connect(
            service.url.replace("http", "ws") + "/api/jobs/ws",
            origin=Origin("http://evil.example"),
            proxy=None,
        ):
            pass
    assert refused.value.response.status_code == 403
    assert len(service.jobs.hub) == listeners


async def test_a_missing_token_is_refused_before_the_upgrade() -> None:
    """401 where a token is set."""
    async with running_service(token="eight characters".replace(" ", "-")) as service:
        with pytest.raises(InvalidStatus) as refused:
            async with opened(service, "/api/jobs/ws"):
                pass
    assert refused.value.response.status_code == 401


async def test_too_many_websockets_are_503() -> None:
    """MAX_WEBSOCKETS over both kinds of socket; one that closes makes room."""
    async with running_service(max_websockets=2) as service:
        job = await service.running()
        listeners = len(service.jobs.hub)
        async with opened(service, "/api/jobs/ws"):
            async with opened(service, job["links"]["events"]):
                for path in ("/api/jobs/ws", job["links"]["events"]):
                    with pytest.raises(InvalidStatus) as refused:
                        async with opened(service, path):
                            pass
                    assert refused.value.response.status_code == 503
                    assert int(refused.value.response.headers["Retry-After"]) >= 1
            await until(lambda: len(service.jobs.hub) == listeners + 1)
            async with opened(service, job["links"]["events"]) as socket:
                await socket.recv()


@pytest.mark.parametrize("path", ["/api/jobs/ws", "events"])
async def test_a_plain_get_of_a_websocket_is_426(service: Service, path: str) -> None:
    """With Upgrade, so that a person with a browser learns what it is; it leaves no listener."""
    job = await service.running()
    listeners = len(service.jobs.hub)
    target = job["links"]["events"] if path == "events" else path
    async with service.client.get(target) as answer:
        await problem(answer, 426)
        assert answer.headers["Upgrade"] == "websocket"
    assert len(service.jobs.hub) == listeners


UPGRADE = ("Upgrade: websocket", "Connection: Upgrade")


@pytest.mark.parametrize(
    "lines",
    [
        UPGRADE,
        (*UPGRADE, "Sec-WebSocket-Version: 99", "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA=="),
        (*UPGRADE, "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: short"),
        ("Upgrade: websocket",),
        ("Upgrade: h2c", "Connection: Upgrade"),
    ],
)
async def test_a_broken_handshake_is_a_problem(service: Service, lines: tuple[str, ...]) -> None:
    """4xx as a problem document, and no socket is counted, no listener left."""
    listeners = len(service.jobs.hub)
    request = "\r\n".join(("GET /api/jobs/ws HTTP/1.1", "Host: localhost", *lines, "", ""))
    said = await declined(service, request.encode())
    assert said.startswith(b"HTTP/1.1 4")
    assert b"application/problem+json" in said
    assert len(service.jobs.hub) == listeners
    async with service.client.get("/api/health") as answer:
        assert (await answer.json())["websocket_connections"] == 0
