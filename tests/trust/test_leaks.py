"""What comes and goes leaves nothing behind in the process."""

import asyncio
import gc
import json
import signal
import socket
import struct
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from pyleak import no_task_leaks

from kameo_async import Report
from kameo_async.app import create_app
from kameo_async.clock import SystemClock
from kameo_async.sandbox.api import LISTING_PATH
from kameo_async.sandbox.options import SandboxOptions, parse_fault
from kameo_async.sandbox.server import RunningSandbox, running_sandbox
from kameo_async.serve import sandbox_config
from kameo_async.settings import ServiceSettings
from kameo_async.web.protocol import Runner
from tests.clock import idle
from tests.living import living
from tests.service import Echo, running_service
from tests.trust.conftest import Process
from tests.trust.raw import UPGRADE, ask, connect, request
from tests.unblocked import MOST_SECONDS, unblocked

RESET = struct.pack("ii", 1, 0)  # SO_LINGER: on, for no time


async def test_websockets_that_come_and_go_are_forgotten() -> None:
    """A hundred clients that open a websocket and leave: no socket object stays alive."""
    others = len(living(web.WebSocketResponse))
    async with running_service() as service:
        for _ in range(20):
            async with aiohttp.ClientSession(service.url) as client:
                for _ in range(5):
                    async with client.ws_connect("/api/jobs/ws") as socket:
                        await socket.receive()
        await service.finished(text="a")  # the loop has gone round since the last one left
        await asyncio.to_thread(gc.collect)
        assert len(living(web.WebSocketResponse)) <= others + 5


async def test_the_whole_live_way_leaves_nothing_and_blocks_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Login, 25 pages, archive, state file, websocket, exports: no task, no session, no turn of 50 ms."""
    monkeypatch.setenv("KAMEO_REQUESTS_PER_MINUTE", "6000")
    options = SandboxOptions(latency=(0, 0), pages=25, rate_limit=6000, two_factor=False, pace=0)
    async with (
        no_task_leaks(action="raise"),
        running_sandbox(options, SystemClock()) as sandbox,
        live(sandbox, tmp_path) as url,
        unblocked(),
        aiohttp.ClientSession(url) as client,
    ):
        async with client.post("/api/jobs/fetch-loans") as answer:
            links = (await answer.json())["links"]
        async with client.ws_connect(links["events"]) as socket:
            last = [message.data async for message in socket][-1]
        assert '"status":"success"' in last
        for format_ in ("json", "csv", "xlsx"):
            async with client.get(links["result"], params={"format": format_}) as answer:
                assert answer.status == 200
                await answer.read()


async def test_a_hung_upstream_leaves_no_task(tmp_path: Path) -> None:
    """The job ends as `timeout`; of what it did nothing is left, neither here nor at the upstream."""
    options = SandboxOptions(latency=(0, 0), two_factor=False, faults=(parse_fault("hang"),))
    async with (
        running_sandbox(options, SystemClock()) as sandbox,
        live(sandbox, tmp_path, job_timeout_seconds=0.7) as url,
        aiohttp.ClientSession(url) as client,
    ):
        before = asyncio.all_tasks()
        async with client.post("/api/jobs/fetch-loans", headers={"Prefer": "wait=10"}) as answer:
            assert (await answer.json())["error_code"] == "timeout"
        assert sandbox.record.arrived["GET", LISTING_PATH] == 1
        await idle()
        left = [task for task in asyncio.all_tasks() - before if "RequestHandler.start" not in repr(task)]
        assert left == []


@asynccontextmanager
async def live(sandbox: RunningSandbox, folder: Path, **settings: Any) -> AsyncIterator[str]:
    """The service as `serve` runs it, in this loop; gives its address."""
    app = create_app(
        ServiceSettings(**settings),
        mode="sandbox",
        read_config=sandbox_config(sandbox),
        state=folder / "jobs.sqlite3",
    )
    runner = Runner(app)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


async def test_a_kind_that_blocks_the_loop_would_be_seen() -> None:
    """What every test with a service in its own loop holds: no turn takes 50 ms of the processor."""
    with pytest.raises(AssertionError, match="the loop was blocked for"):
        async with running_service([Busy()]) as service:
            await service.finished("busy")


class Busy(Echo):
    """Works for longer than a loop should wait."""

    kind = "busy"

    async def run(self, params: Echo.Params, report: Report) -> Echo.Result:
        end = time.thread_time() + 2 * MOST_SECONDS
        while time.thread_time() < end:
            pass
        return await super().run(params, report)


def test_clients_that_leave_before_they_are_answered_are_no_error(process: Process) -> None:
    """A hundred ask, and are gone before the service looks: nothing crashed, nothing is told as ours."""
    targets = ("/api/jobs/ws", "/api/jobs", "/api/openapi.json")
    process.popen.send_signal(signal.SIGSTOP)
    for n in range(100):
        with connect(process.port) as connection:
            connection.sendall(request(process.port, "GET", targets[n % 3], *UPGRADE))
    process.popen.send_signal(signal.SIGCONT)
    assert ask(process.port, request(process.port)).status == 200
    assert {event["level"] for event in process.events} <= {"info", "debug"}


def test_clients_cut_in_the_middle_of_an_answer_are_no_error(process: Process) -> None:
    """Ten take a little of a large answer, by HTTP or websocket, and reset the connection: no crash."""
    start = request(process.port, "POST", "/api/jobs/puppet?given=8000000", "Prefer: wait=10")
    links = json.loads(ask(process.port, start).body)["links"]
    for n in range(10):
        with connect(process.port) as connection:
            target, lines = (links["result"], ()) if n % 2 else (links["events"], UPGRADE)
            connection.sendall(request(process.port, "GET", target, *lines))
            assert b"HTTP/1.1 " in connection.recv(65536)
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
    assert ask(process.port, request(process.port)).status == 200
    assert {event["level"] for event in process.events} <= {"info", "debug"}
