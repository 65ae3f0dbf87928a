"""Floods and silence: bounded, and still there afterwards."""

import asyncio
import json
import re
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import aiohttp
import pytest
from structlog.testing import capture_logs

from kameo_async.web.sparse import Sparse
from tests.clock import FakeClock
from tests.trust.conftest import Process
from tests.trust.raw import UPGRADE, ask, connect, read, request

DESCRIPTORS = 128
KEPT_SECONDS = 0.5
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
    while not (match := re.search(rb"\x88.(..)", data, re.DOTALL)):
        chunk = connection.recv(65536)
        assert chunk, data
        data += chunk
    return int.from_bytes(match[1], "big")


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
    before = process.memory
    with opened(process) as connection:
        connection.sendall(frame(1, final=False))
        for _ in range(100):
            connection.sendall(frame(0, final=False) * 1000)
        assert ask(process.port, request(process.port)).status == 200
        assert process.memory - before < 8 * 1024 * 1024


@pytest.fixture(scope="module")
def limited(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Process]:
    """A service that may open only so many descriptors."""
    process = Process(tmp_path_factory.mktemp("limited"), f"--nofile={DESCRIPTORS}:{DESCRIPTORS}")
    yield process
    process.stop()


def test_idle_connections_up_to_the_limit_keep_nobody_out(limited: Process) -> None:
    """Row 17: the service still answers; the log tells once, with a count."""
    with ExitStack() as idle:
        for _ in range(DESCRIPTORS * 2):
            idle.enter_context(connect(limited.port))
        for _ in range(20):
            assert ask(limited.port, request(limited.port)).status == 200
        assert [event["event"] for event in limited.events].count("http.crowded") == 1
        assert "Traceback" not in limited.log
        assert len(limited.log) < 20_000


async def test_what_is_left_out_of_the_log_is_counted() -> None:
    """Row 17: a line that comes thousands of times is told once in a while, with how many it stands for."""
    clock = FakeClock()
    crowded = Sparse("warning", 10, clock.monotonic)
    with capture_logs() as logs:
        for _ in range(50):
            crowded.say("http.crowded")
            await clock.advance(0.5)
    assert [line["left_out"] for line in logs] == [0, 19, 19]


def test_busy_connections_up_to_the_limit_leave_room_for_the_service(limited: Process) -> None:
    """Row 17: where none is idle, new ones are refused; those that are there are served, and jobs run."""
    with ExitStack() as busy:
        served: list[socket.socket] = []
        for _ in range(150):
            connection = busy.enter_context(connect(limited.port))
            if _is_taken(connection, request(limited.port, "GET", "/api/jobs/ws", *UPGRADE)):
                served.append(connection)
        assert 50 < len(served) < 100
        assert limited.descriptors < DESCRIPTORS - 16
        _leave(served[0])
        _run_a_job(limited)
        seen = b""
        while b'"success"' not in seen:
            seen += served[1].recv(65536)
        assert "loop.failed" not in limited.log


def _is_taken(connection: socket.socket, data: bytes) -> bool:
    try:
        connection.sendall(data)
        return read(connection).status == 101
    except ConnectionError:
        return False


def _run_a_job(process: Process) -> None:
    """Asks until there is room: that of a client who left is free once the service has noticed."""
    start = request(process.port, "POST", "/api/jobs/puppet", "Prefer: wait=10")
    for _ in range(100):
        try:
            answer = ask(process.port, start)
        except ConnectionError:
            continue
        if answer.status:
            assert json.loads(answer.body)["status"] == "success"
            return
    raise AssertionError("there was never room")


def _leave(websocket: socket.socket) -> None:
    """Closes it, and waits until the other side has."""
    websocket.sendall(frame(8, b"\x03\xe8"))
    while websocket.recv(65536):
        pass


async def test_sockets_that_never_read_cost_bounded_memory(process: Process) -> None:
    """Fifty websockets that never read cost less than 40 MiB through 400 jobs with 10 kB to tell."""
    with ExitStack() as silent:
        for _ in range(50):
            silent.enter_context(await asyncio.to_thread(opened, process))
        before = process.memory
        async with aiohttp.ClientSession(process.url) as client:
            for answer in await asyncio.gather(*[_told_much(client) for _ in range(400)]):
                assert answer == "success"
        assert process.memory - before < 40 * 1024 * 1024


async def _told_much(client: aiohttp.ClientSession) -> str:
    async with client.post("/api/jobs/puppet?said=10000", headers={"Prefer": "wait=30"}) as answer:
        return str((await answer.json())["status"])


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
        "KAMEO_ASYNC_JOB_TTL_SECONDS": str(KEPT_SECONDS),
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
        asked = time.monotonic()
        start = request(process.port, "POST", "/api/jobs/puppet", "Prefer: wait=10")
        link = json.loads(ask(process.port, start).body)["links"]["self"]
        clock.write_text(jump)
        seen = b""
        while b'"expired"' not in seen:
            seen += events.recv(65536)
        assert KEPT_SECONDS <= time.monotonic() - asked < 5
    assert ask(process.port, request(process.port, "GET", link)).status == 404


def test_what_waits_for_the_garbage_collector_is_little(process: Process) -> None:
    """Of 150,000 objects that are left in cycles, never more than half are there at once."""
    start = request(process.port, "POST", "/api/jobs/litter?knots=150000", "Prefer: wait=10")
    most: int = json.loads(ask(process.port, start).body)["data"]["most"]
    assert 12_000 <= most < 75_000


def test_all_threads_share_one_heap(process: Process) -> None:
    """No thread has one of its own, for which glibc sets 64 MB of addresses aside."""
    lines = Path(f"/proc/{process.popen.pid}/maps").read_text().splitlines()
    reserved = [line.split()[0].split("-") for line in lines if " ---p " in line and line.endswith(" 0 ")]
    sizes = [int(end, 16) - int(start, 16) for start, end in reserved]
    assert [size for size in sizes if 32 << 20 < size <= 64 << 20] == []
