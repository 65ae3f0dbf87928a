"""The whole way: the service as a process, the sandbox as its upstream, followed over HTTP and websocket."""

import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from kameo_async.clock import SystemClock
from kameo_async.sandbox.options import SandboxOptions, parse_fault
from kameo_async.sandbox.server import RunningSandbox, running_sandbox
from tests.processes import started

JOB_TIMEOUT_SECONDS = 6


class Service:
    """A running service, and the folder whose `.env` it reads when a job starts."""

    def __init__(self, url: str, folder: Path) -> None:
        self.url = url
        self._folder = folder

    def use(self, settings: dict[str, str]) -> None:
        lines = [f"{name}='{value}'" for name, value in settings.items()]
        (self._folder / ".env").write_text("\n".join(lines))


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """One live service for all tests here."""
    folder = tmp_path_factory.mktemp("service")
    settings = {"KAMEO_ASYNC_JOB_TIMEOUT_SECONDS": str(JOB_TIMEOUT_SECONDS), "KAMEO_READ_TIMEOUT": "30"}
    with started(folder, "serve", "--port", "0", **settings) as process:
        assert process.stdout is not None
        address = process.stdout.readline().decode().split()[-1]
        yield Service(address.rstrip("/"), folder)


@asynccontextmanager
async def upstream(service: Service, *faults: str, two_factor: bool = False) -> AsyncIterator[RunningSandbox]:
    """A quick sandbox that goes wrong as told; the service's next job uses it."""
    options = SandboxOptions(
        latency=(0, 0),
        rate_limit=6000,
        pages=3,
        faults=tuple(map(parse_fault, faults)),
        two_factor=two_factor,
        pace=0,
    )
    async with running_sandbox(options, SystemClock()) as sandbox:
        service.use({**sandbox.settings(), "KAMEO_REQUESTS_PER_MINUTE": "6000"})
        yield sandbox


async def followed(service: Service) -> dict[str, Any]:
    """Starts a job, follows it by websocket to its end; the last frame is what a GET gives."""
    async with aiohttp.ClientSession(service.url) as client:
        async with client.post("/api/jobs/fetch-loans") as answer:
            assert answer.status == 202
            links = (await answer.json())["links"]
        async with client.ws_connect(links["events"]) as socket:
            frames = [json.loads(message.data)["job"] async for message in socket]
            assert socket.close_code == 1000
        revisions = [frame["revision"] for frame in frames]
        assert revisions == sorted(set(revisions))
        async with client.get(links["self"]) as answer:
            assert await answer.json() == frames[-1]
        last: dict[str, Any] = frames[-1]
        return last


async def test_all_pages_arrive_with_two_factor(service: Service) -> None:
    """Login, code and every page: the loans of the listing, each once."""
    async with upstream(service, two_factor=True):
        job = await followed(service)
    assert job["status"] == "success", job
    assert job["progress"] == {"done": 3, "total": 3, "unit": "pages", "message": "Fetched page 3 of 3"}
    ids = [loan["id"] for loan in job["data"]["loans"]]
    assert len(ids) == len(set(ids)) == job["data"]["total"]
    assert job["data"]["warnings"] == []


@pytest.mark.parametrize("fault", ["429:1", "503:1", "html502:1", "truncate:1", "expire", "duplicate:1"])
async def test_what_passes_is_got_over(service: Service, fault: str) -> None:
    """A passing fault costs time, not loans."""
    async with upstream(service, fault):
        job = await followed(service)
    assert job["status"] == "success", job
    assert len(job["data"]["loans"]) == job["data"]["total"]
    assert job["data"]["warnings"] == []


async def test_a_broken_loan_costs_one_row(service: Service) -> None:
    """One unreadable row is left out, and a warning names it."""
    async with upstream(service, "broken-loan"):
        job = await followed(service)
    assert job["status"] == "success"
    assert len(job["data"]["loans"]) == job["data"]["total"] - 1
    assert len(job["data"]["warnings"]) == 1
    assert "left out" in job["data"]["warnings"][0]


async def test_a_total_that_drifts_is_no_error(service: Service) -> None:
    """`total` that differs from page to page never loses the loans."""
    async with upstream(service, "drift"):
        job = await followed(service)
    assert job["status"] == "success"
    assert job["data"]["loans"]


async def test_maintenance_is_called_that(service: Service) -> None:
    """A closed site ends the job as upstream_unavailable, retryable, in words for people."""
    async with upstream(service, "maintenance"):
        job = await followed(service)
    assert (job["status"], job["error_code"], job["retryable"]) == ("failed", "upstream_unavailable", True)
    assert "maintenance" in job["error"]


async def test_a_hung_upstream_ends_as_timeout(service: Service) -> None:
    """A job that takes longer than it may ends as timeout, retryable."""
    async with upstream(service, "hang"):
        job = await followed(service)
    assert (job["status"], job["error_code"], job["retryable"]) == ("failed", "timeout", True)
    assert str(JOB_TIMEOUT_SECONDS) in job["error"]


async def test_a_running_job_can_be_cancelled(service: Service) -> None:
    """DELETE answers once the job has stopped; every follower sees it end so."""
    async with upstream(service, "hang"), aiohttp.ClientSession(service.url) as client:
        async with client.post("/api/jobs/fetch-loans") as answer:
            links = (await answer.json())["links"]
        async with client.ws_connect(links["events"]) as socket:
            while (await socket.receive_json())["job"]["status"] != "running":
                pass
            async with client.delete(links["self"]) as answer:
                cancelled = await answer.json()
            frames = [json.loads(message.data)["job"] async for message in socket]
    assert (cancelled["status"], cancelled["error_code"]) == ("cancelled", None)
    assert frames[-1] == cancelled


async def test_a_wrong_password_is_tried_once(service: Service) -> None:
    """A refused login ends as login_failed, and the same credentials are not sent again."""
    async with upstream(service) as sandbox:
        service.use({**sandbox.settings(), "KAMEO_PASSWORD": "wrong"})
        first, second = await followed(service), await followed(service)
        logins = sandbox.record.arrived["POST", "/user/login"]
    assert [job["error_code"] for job in (first, second)] == ["login_failed", "login_failed"]
    assert logins == 1


async def test_missing_settings_fail_the_job_not_the_service(service: Service) -> None:
    """Without an account the service runs, and the job names what is missing."""
    service.use({})
    job = await followed(service)
    assert (job["status"], job["error_code"], job["retryable"]) == ("failed", "configuration", False)
    assert job["error"] == "Configuration error: KAMEO_EMAIL and KAMEO_PASSWORD are not set"


async def test_the_api_is_asked_nothing_but_get(service: Service) -> None:
    """Whatever happens, the client never sends the API anything that could bid."""
    async with upstream(service) as sandbox:
        await followed(service)
        asked = {method for method, path in sandbox.record.arrived if path.startswith("/v1/")}
    assert asked == {"GET"}
