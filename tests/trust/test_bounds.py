"""Floods, silence and secrets: bounded, still there afterwards, and nothing leaks."""

import asyncio
import json
import resource
import socket
import subprocess
import time
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from kameo_async.clock import SystemClock
from kameo_async.sandbox.options import SandboxOptions
from kameo_async.sandbox.server import running_sandbox
from tests.test_cli import COMMAND, environment
from tests.trust.conftest import Process
from tests.trust.raw import UPGRADE, ask, connect, read, request

MASK = b"\x00\x00\x00\x00"


def opened(process: Process) -> socket.socket:
    """A websocket over all jobs, opened by hand, its first frame read."""
    connection = connect(process.port)
    connection.sendall(request(process.port, "GET", "/api/jobs/ws", *UPGRADE))
    assert read(connection).status == 101
    return connection


def close_code(connection: socket.socket) -> int:
    """The code of the close frame that ends the connection."""
    data = b""
    while chunk := connection.recv(65536):
        data += chunk
    index = data.rindex(b"\x88")
    return int.from_bytes(data[index + 2 : index + 4], "big")


def frame(opcode: int, payload: bytes = b"", *, final: bool = True) -> bytes:
    """A client's frame (RFC 6455 section 5.2), masked with zeros."""
    head = bytes([(0x80 if final else 0) | opcode])
    if len(payload) < 126:
        return head + bytes([0x80 | len(payload)]) + MASK + payload
    return head + bytes([0x80 | 126]) + len(payload).to_bytes(2, "big") + MASK + payload


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (frame(1, b"hello"), 1008),
        (frame(2, b"hello"), 1008),
        (frame(1, b"a" * 5000), 1009),
        (frame(1, b"\xff\xfe"), 1007),
        (frame(3), 1002),
        (bytes([0xC1, 0x81]) + MASK + b"a", 1002),  # compressed, which was not agreed on
    ],
)
def test_what_a_client_may_not_send_closes_its_websocket(process: Process, data: bytes, code: int) -> None:
    """Row 18: any message 1008, oversized 1009, bad UTF-8 1007, bad opcode 1002."""
    with opened(process) as connection:
        connection.sendall(data)
        assert close_code(connection) == code


def test_a_flood_of_pings_is_cut(process: Process) -> None:
    """Row 19: a hundred are answered, more in 10 s are 1008."""
    with opened(process) as connection:
        connection.sendall(frame(9) * 100)
        pongs = b""
        while pongs.count(b"\x8a\x00") < 100:
            pongs += connection.recv(65536)
        connection.sendall(frame(9))
        assert close_code(connection) == 1008


def test_empty_fragments_cost_nothing(process: Process) -> None:
    """Row 19: a hundred thousand empty fragments grow no memory, and the service answers."""
    before = _memory(process)
    with opened(process) as connection:
        connection.sendall(frame(1, final=False))
        for _ in range(100):
            connection.sendall(frame(0, final=False) * 1000)
        assert ask(process.port, request(process.port)).status == 200
        assert _memory(process) - before < 8 * 1024 * 1024


def _memory(process: Process) -> int:
    pages = Path(f"/proc/{process.popen.pid}/statm").read_text().split()[1]
    return int(pages) * resource.getpagesize()


def test_idle_connections_up_to_the_limit_keep_nobody_out(tmp_path: Path) -> None:
    """Row 17: the service still answers; the log tells once, with a count."""
    few = 128
    process = _limited(tmp_path, few)
    idle: list[socket.socket] = []
    try:
        idle.extend(connect(process.port) for _ in range(few * 2))
        for _ in range(20):
            assert ask(process.port, request(process.port)).status == 200
        assert [event["event"] for event in process.events].count("http.crowded") == 1
        assert "Traceback" not in process.log
        assert len(process.log) < 20_000
    finally:
        for connection in idle:
            connection.close()
        process.stop()


def test_busy_connections_up_to_the_limit_leave_room_for_the_service(tmp_path: Path) -> None:
    """Row 17: where none is idle, new ones are refused; those that are there are served, and jobs run."""
    process = _limited(tmp_path, 128)
    busy: list[socket.socket] = []
    served: list[socket.socket] = []
    try:
        for _ in range(150):
            busy.append(connect(process.port))
            busy[-1].sendall(request(process.port, "GET", "/api/jobs/ws", *UPGRADE))
            if _status(busy[-1]) == 101:
                served.append(busy[-1])
        assert 50 < len(served) < 100
        assert _descriptors(process) < 128 - 16
        _leave(served[0])
        start = request(process.port, "POST", "/api/jobs/fetch-loans", "Prefer: wait=10")
        assert json.loads(ask(process.port, start).body)["status"] == "success"
        assert b'"success"' in served[1].recv(65536)
        assert "loop.failed" not in process.log
    finally:
        for connection in busy:
            connection.close()
        process.stop()


def _status(connection: socket.socket) -> int:
    try:
        return read(connection).status
    except ConnectionError:
        return 0


def _leave(websocket: socket.socket) -> None:
    """Closes it, and waits until the other side has."""
    websocket.sendall(frame(8, b"\x03\xe8"))
    while websocket.recv(65536):
        pass


def _descriptors(process: Process) -> int:
    return len(list(Path(f"/proc/{process.popen.pid}/fd").iterdir()))


def _limited(folder: Path, descriptors: int) -> Process:
    """A process that may open only so many descriptors; the limit is inherited."""
    words = ["prlimit", f"--nofile={descriptors}:{descriptors}"]
    process = Process.__new__(Process)
    process.folder, process._log = folder, folder / "log"
    with process._log.open("wb") as log:
        process.popen = subprocess.Popen(
            [*words, *COMMAND, "serve", "--port", "0"],
            cwd=folder,
            env=environment(folder, TEST_MODE="1", KAMEO_ASYNC_LOG_FORMAT="json"),
            stdout=subprocess.PIPE,
            stderr=log,
        )
    assert process.popen.stdout is not None
    process.said = process.popen.stdout.readline().decode()
    process.port = int(process.said.rstrip("/\n").rpartition(":")[2])
    return process


async def test_sockets_that_never_read_cost_bounded_memory(tmp_path: Path) -> None:
    """Fifty websockets that never read cost less than 40 MiB through 400 jobs."""
    process = await asyncio.to_thread(lambda: Process(tmp_path, KAMEO_ASYNC_MAX_RUNNING_JOBS="400"))
    try:
        silent = [await asyncio.to_thread(opened, process) for _ in range(50)]
        before = _memory(process)
        async with aiohttp.ClientSession(process.url) as client:
            answers = [
                client.post("/api/jobs/fetch-loans", headers={"Prefer": "wait=30"}) for _ in range(400)
            ]
            for answer in await asyncio.gather(*answers):
                assert answer.status == 200
                answer.release()
        assert _memory(process) - before < 40 * 1024 * 1024
        for connection in silent:
            connection.close()
    finally:
        await asyncio.to_thread(process.stop)


SECRETS = {
    "KAMEO_PASSWORD": "marker-password-å",
    "KAMEO_TOTP_SECRET": "MARKERTOTPSECRET",
    "KAMEO_ASYNC_TOKEN": "marker-token-9f",
}


@pytest.mark.parametrize("fault", ["wrong-password", "right", "bad-secret", "nobody"])
async def test_no_secret_comes_out_anywhere(tmp_path: Path, fault: str) -> None:
    """Row 21: at debug, in the console's format, with a refused login, a bad secret and nobody there."""
    options = SandboxOptions(
        latency=(0, 0), pages=1, password=SECRETS["KAMEO_PASSWORD"], two_factor=fault == "bad-secret"
    )
    async with running_sandbox(options, SystemClock()) as sandbox:
        settings = {**sandbox.settings(), **SECRETS, "TEST_MODE": "0", "KAMEO_ASYNC_LOG_LEVEL": "debug"}
        settings["KAMEO_ASYNC_LOG_FORMAT"] = "console"
        if fault == "wrong-password":
            settings["KAMEO_PASSWORD"] += "-wrong"
        if fault == "bad-secret":
            settings["KAMEO_TOTP_SECRET"] = "MARKER0189"
        settings["KAMEO_ASYNC_JOB_TIMEOUT_SECONDS"] = "3"
        if fault == "nobody":
            settings |= {"KAMEO_BASE_URL": "http://127.0.0.1:9", "KAMEO_API_URL": "http://127.0.0.1:9/v1"}
        process = await asyncio.to_thread(lambda: Process(tmp_path, **settings))
        try:
            told = await _everything(process)
        finally:
            await asyncio.to_thread(process.stop)
    for secret in (*SECRETS.values(), "marker", "MARKER"):
        assert secret not in told


async def _everything(process: Process) -> str:
    """All that the service says of a job: documents, metrics, log."""
    bearer = {"Authorization": f"Bearer {SECRETS['KAMEO_ASYNC_TOKEN']}"}
    async with aiohttp.ClientSession(process.url, headers=bearer) as client:
        texts = []
        async with client.post("/api/jobs/fetch-loans", headers={"Prefer": "wait=15"}) as answer:
            document: dict[str, Any] = await answer.json()
            texts.append(json.dumps(document))
        async with client.delete(document["links"]["self"]) as answer:
            texts.append(await answer.text())
        for path in ("/api/jobs", "/metrics", "/api/health", "/api/openapi.json", "/api/jobs?token=x"):
            async with client.get(path) as answer:
                texts.append(await answer.text())
    return "\n".join([*texts, process.log, process.said])


@pytest.mark.system
def test_the_wall_clock_may_jump(tmp_path: Path) -> None:
    """Under libfaketime the wall clock jumps in mid-life, both ways: nothing expires early, nothing late."""
    library = next(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"))
    clock = tmp_path / "clock"
    clock.write_text("+0")
    settings = {
        "LD_PRELOAD": str(library),
        "FAKETIME_TIMESTAMP_FILE": str(clock),
        "FAKETIME_NO_CACHE": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        "KAMEO_ASYNC_JOB_TTL_SECONDS": "0.5",
        "KAMEO_ASYNC_REAP_INTERVAL_SECONDS": "0.05",
    }
    process = Process(tmp_path, **settings)
    try:
        for jump in ("+2h", "-1h"):
            _expires_in_its_time(process, clock, jump)
    finally:
        process.stop()


def _expires_in_its_time(process: Process, clock: Path, jump: str) -> None:
    with opened(process) as events:
        start = request(process.port, "POST", "/api/jobs/fetch-loans", "Prefer: wait=10")
        link = json.loads(ask(process.port, start).body)["links"]["self"]
        finished = time.monotonic()
        clock.write_text(jump)
        assert ask(process.port, request(process.port, "GET", link)).status == 200
        seen = b""
        while b'"expired"' not in seen:
            seen += events.recv(65536)
        assert 0.4 < time.monotonic() - finished < 5
    assert ask(process.port, request(process.port, "GET", link)).status == 404


def test_a_crash_on_a_console_shows_no_local_variable(tmp_path: Path) -> None:
    """A kind that crashes with a secret in a variable: the traceback is there, the variable is not."""
    (tmp_path / "kameo_crash.py").write_text(
        "from pydantic import BaseModel\n"
        "class Crash:\n"
        "    kind, title, description = 'crash', 'Crash', 'Crashes.'\n"
        "    class Params(BaseModel): ...\n"
        "    class Result(BaseModel): ...\n"
        "    async def run(self, params, report):\n"
        "        password = 'marker-' + 'local'\n"
        "        raise RuntimeError(f'broken {len(password)}')\n"
    )
    info = tmp_path / "kameo_crash-0.1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: kameo-crash\nVersion: 0.1\n")
    (info / "entry_points.txt").write_text("[kameo_async.kinds]\ncrash = kameo_crash:Crash\n")
    process = Process(tmp_path, PYTHONPATH=str(tmp_path), KAMEO_ASYNC_LOG_FORMAT="console")
    try:
        start = request(process.port, "POST", "/api/jobs/crash", "Prefer: wait=10")
        assert json.loads(ask(process.port, start).body)["error_code"] == "internal"
        assert "RuntimeError: broken 12" in process.log
        assert "marker-local" not in process.log
    finally:
        process.stop()
