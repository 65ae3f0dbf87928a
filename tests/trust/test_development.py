"""`ENVIRONMENT=development`: pages under construction may read, those of this machine may write."""

import aiohttp
import pytest

from tests.service import running_service

FOREIGN, LOCAL = "https://pages.example", "http://localhost:5173"


@pytest.mark.parametrize("origin", [FOREIGN, LOCAL])
async def test_any_origin_may_read_without_credentials(origin: str) -> None:
    """The answer names the origin, and allows no credentials."""
    async with (
        running_service(environment="development") as service,
        service.client.get("/api/jobs", headers={"Origin": origin}) as answer,
    ):
        assert answer.headers["Access-Control-Allow-Origin"] == origin
        assert "Access-Control-Allow-Credentials" not in answer.headers


@pytest.mark.parametrize(
    ("origin", "status"), [(FOREIGN, 403), (LOCAL, 202), ("http://127.0.0.2:1", 202), ("null", 403)]
)
async def test_only_origins_of_this_machine_may_write(origin: str, status: int) -> None:
    """A loopback origin at any port starts a job, another none."""
    async with (
        running_service(environment="development") as service,
        service.client.post("/api/jobs/echo", headers={"Origin": origin}) as answer,
    ):
        assert answer.status == status


async def test_an_origin_of_this_machine_may_open_a_websocket() -> None:
    """A page under construction may look on."""
    async with (
        running_service(environment="development") as service,
        service.client.ws_connect("/api/jobs/ws", origin=LOCAL) as socket,
    ):
        assert (await socket.receive_json())["type"] == "jobs"


async def test_another_may_not() -> None:
    """A websocket is a write where origins are concerned."""
    async with running_service(environment="development") as service:
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            await service.client.ws_connect("/api/jobs/ws", origin=FOREIGN)
    assert refused.value.status == 403


async def test_in_production_the_same_pages_may_not() -> None:
    """Without it neither reads nor writes of such an origin are allowed."""
    async with running_service() as service:
        async with service.client.get("/api/jobs", headers={"Origin": LOCAL}) as answer:
            assert "Access-Control-Allow-Origin" not in answer.headers
        async with service.client.post("/api/jobs/echo", headers={"Origin": LOCAL}) as answer:
            assert answer.status == 403
