"""SIGTERM and SIGINT: nothing that got 202 vanishes, the listener stays open, the end is clean."""

import asyncio
import json
import signal
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from kameo_async.clock import SystemClock
from kameo_async.sandbox.options import SandboxOptions, parse_fault
from kameo_async.sandbox.server import running_sandbox
from tests.trust.conftest import Process
from tests.trust.raw import UPGRADE, ask, connect, request

GRACE_SECONDS = 1.0
MUCH = 8_000_000  # more than the kernel takes for clients that do not read


@asynccontextmanager
async def hanging(folder: Path, **settings: str) -> AsyncIterator[Process]:
    """A live service whose upstream never answers, so that its jobs run until they are stopped."""
    options = SandboxOptions(latency=(0, 0), two_factor=False, faults=(parse_fault("hang"),))
    async with running_sandbox(options, SystemClock()) as sandbox:
        extra = {"TEST_MODE": "0", "KAMEO_ASYNC_SHUTDOWN_GRACE_SECONDS": str(GRACE_SECONDS), **settings}
        process = await asyncio.to_thread(lambda: Process(folder, **sandbox.settings(), **extra))
        try:
            yield process
        finally:
            await asyncio.to_thread(process.stop)


async def left(process: Process) -> int:
    return await asyncio.to_thread(process.popen.wait, 20)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_drains(tmp_path: Path, number: signal.Signals) -> None:
    """No new jobs, reads go on, the grace, then `cancelled` with `shutdown`; 1000, 1001, exit 0 in time."""
    async with hanging(tmp_path) as process, aiohttp.ClientSession(process.url) as client:
        async with client.post("/api/jobs/fetch-loans") as answer:
            links = (await answer.json())["links"]
        async with client.ws_connect("/api/jobs/ws") as every, client.ws_connect(links["events"]) as own:
            await _status(own, "running")
            started = time.monotonic()
            process.popen.send_signal(number)
            await _draining(client)
            async with client.post("/api/jobs/fetch-loans") as answer:
                assert (answer.status, "Retry-After" in answer.headers) == (503, True)
            async with client.get(links["self"]) as answer:
                assert (await answer.json())["status"] == "running"
            last = json.loads([message.data async for message in own][-1])["job"]
            async for _ in every:
                pass
            codes = (own.close_code, every.close_code)
        assert await left(process) == 0
        assert GRACE_SECONDS <= time.monotonic() - started < GRACE_SECONDS + 2
    assert (last["status"], last["error_code"], last["retryable"]) == ("cancelled", "shutdown", True)
    assert codes == (1000, 1001)
    assert "Traceback" not in process.log


async def _status(socket: aiohttp.ClientWebSocketResponse, status: str) -> None:
    while (await socket.receive_json())["job"]["status"] != status:
        pass


async def _draining(client: aiohttp.ClientSession) -> None:
    """Returns once the service has noticed the signal."""
    while True:
        async with client.get("/api/ready") as answer:
            if answer.status == 503:
                return


async def test_an_idle_service_leaves_at_once(tmp_path: Path) -> None:
    """Nothing runs: no grace is waited for, although a websocket is open."""
    async with hanging(tmp_path, KAMEO_ASYNC_SHUTDOWN_GRACE_SECONDS="30") as process:
        async with aiohttp.ClientSession(process.url) as client, client.ws_connect("/api/jobs/ws") as socket:
            started = time.monotonic()
            process.popen.send_signal(signal.SIGTERM)
            async for _ in socket:
                pass
            assert await left(process) == 0
        assert time.monotonic() - started < 2


def test_clients_without_manners_hold_up_no_shutdown(tmp_path: Path) -> None:
    """Some never read, some send half a request: exit 0 within the grace and 2 s, a job's end told why."""
    process = Process(tmp_path, KAMEO_ASYNC_SHUTDOWN_GRACE_SECONDS=str(GRACE_SECONDS))
    try:
        with ExitStack() as rude:
            for data in _rude(process):
                rude.enter_context(connect(process.port)).sendall(data)
            start = request(process.port, "POST", "/api/jobs/puppet?waits=true")
            assert ask(process.port, start).status == 202
            started = time.monotonic()
            process.popen.send_signal(signal.SIGTERM)
            assert process.popen.wait(20) == 0
            assert GRACE_SECONDS <= time.monotonic() - started < GRACE_SECONDS + 2
        (end,) = [event["error_code"] for event in process.events if event.get("status") == "cancelled"]
        assert end == "shutdown"
        assert "Traceback" not in process.log
    finally:
        process.stop()


def _rude(process: Process) -> list[bytes]:
    """What they send: nothing, half of a head or a body, a question whose large answer they never take."""
    start = request(process.port, "POST", f"/api/jobs/puppet?given={MUCH}", "Prefer: wait=10")
    link = json.loads(ask(process.port, start).body)["links"]
    submit = request(process.port, "POST", "/api/jobs/puppet", "Content-Type: application/json", body=b"{ }")
    taken = [
        request(process.port, "GET", link["result"]),
        request(process.port, "GET", link["events"], *UPGRADE),
        request(process.port, "GET", "/api/jobs/ws", *UPGRADE),
        request(process.port, "GET", "/api/openapi.json") * 300,
        request(process.port, "GET", "/api/health"),
    ]
    return [b"", submit[:30], submit[:-1], *taken]


async def test_a_second_signal_ends_at_once(tmp_path: Path) -> None:
    """Whoever cannot wait for the grace says so twice."""
    async with (
        hanging(tmp_path, KAMEO_ASYNC_SHUTDOWN_GRACE_SECONDS="30") as process,
        AsyncExitStack() as stack,
    ):
        client = await stack.enter_async_context(aiohttp.ClientSession(process.url))
        async with client.post("/api/jobs/fetch-loans") as answer:
            links = (await answer.json())["links"]
        async with client.ws_connect(links["events"]) as own:
            await _status(own, "running")
        process.popen.send_signal(signal.SIGTERM)
        await _draining(client)
        process.popen.send_signal(signal.SIGTERM)
        assert await left(process) == 128 + signal.SIGTERM


async def test_submissions_that_race_a_shutdown_end_or_are_refused(tmp_path: Path) -> None:
    """Every 202 is a job that ends and says why; a restart knows it."""
    accepted: list[str] = []
    async with hanging(tmp_path) as process, aiohttp.ClientSession(process.url) as client:

        async def submit() -> None:
            try:
                async with client.post("/api/jobs/fetch-loans") as answer:
                    if answer.status == 202:
                        accepted.append((await answer.json())["job_id"])
            except aiohttp.ClientError:
                pass  # after the end nobody listens

        racing = [asyncio.create_task(submit()) for _ in range(40)]
        await asyncio.wait(racing, return_when=asyncio.FIRST_COMPLETED)
        process.popen.send_signal(signal.SIGTERM)
        racing += [asyncio.create_task(submit()) for _ in range(40)]
        await asyncio.wait(racing)
        assert await left(process) == 0
    assert accepted
    kept = await _after_a_restart(tmp_path)
    assert {job_id: kept.get(job_id, {}).get("error_code") for job_id in accepted} == dict.fromkeys(
        accepted, "shutdown"
    )


async def _after_a_restart(folder: Path) -> dict[str, dict[str, Any]]:
    process = await asyncio.to_thread(lambda: Process(folder, TEST_MODE="0"))
    try:
        async with aiohttp.ClientSession(process.url) as client, client.get("/api/jobs?limit=100") as answer:
            return {job["job_id"]: job for job in (await answer.json())["jobs"]}
    finally:
        await asyncio.to_thread(process.stop)
