"""Clients that take their time, on a loop whose clock the tests move: seconds of waiting are none here."""

import asyncio
import json
import socket
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from tests.contract.asking import until
from tests.contract.slow.loop import let_pass
from tests.service import Service, running_service

LARGE = "x" * 1_000_000


async def narrow(service: Service, path: str) -> ClientConnection:
    """A client that reads nothing beyond what is asked of it, through a small window."""
    sock = await dialled(service)
    return await connect(
        service.url.replace("http", "ws") + path,
        sock=sock,
        proxy=None,
        max_queue=1,
        max_size=None,
        ping_interval=None,
        close_timeout=0.01,
        compression=None,
    )


async def dialled(service: Service) -> socket.socket:
    """A connection with a small window."""
    host, port = service.url.removeprefix("http://").split(":")
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    sock.setblocking(False)
    await asyncio.get_running_loop().sock_connect(sock, (host, int(port)))
    return sock


async def flood(service: Service, count: int, message: str = LARGE) -> None:
    """So many revisions, each of a megabyte or more."""
    for n in range(count):
        await service.gate.reports["one"](n, count, message=f"{n}{message}")
        await service.clock.advance(0.1)
        await asyncio.sleep(0.001)


async def frames(client: ClientConnection) -> list[dict[str, Any]]:
    return [json.loads(message) async for message in client]


async def connections(service: Service) -> int:
    async with service.client.get("/api/health") as answer:
        return int((await answer.json())["websocket_connections"])


@pytest.fixture
async def job(service: Service) -> dict[str, Any]:
    return await service.running()


async def test_a_slow_client_gets_the_latest_not_every_revision(
    service: Service, job: dict[str, Any]
) -> None:
    """It skips revisions, sees them in order, and never misses the last; then 1000."""
    async with await narrow(service, job["links"]["events"]) as client:
        await flood(service, 20)
        service.gate.gate().set()
        revisions = [frame["job"]["revision"] for frame in await frames(client)]
    last = await service.get(job)
    assert last["revision"] >= 20
    assert len(revisions) < 15
    assert revisions == sorted(set(revisions))
    assert (revisions[-1], last["status"]) == (last["revision"], "success")
    assert client.close_code == 1000


async def test_others_do_not_wait_for_a_slow_one(service: Service, job: dict[str, Any]) -> None:
    """While one takes nothing, another sees every revision, and the end."""
    path = job["links"]["events"]
    async with await narrow(service, path) as slow, await narrow(service, path) as quick:
        seen = [json.loads(await quick.recv())["job"]["revision"]]
        for n in range(10):
            await service.gate.reports["one"](n, 10, message=LARGE)
            await service.clock.advance(0.1)
            seen.append(json.loads(await asyncio.wait_for(quick.recv(), 5))["job"]["revision"])
        service.gate.gate().set()
        assert (await frames(quick))[-1]["job"]["status"] == "success"
        slow.transport.abort()
    assert seen == list(range(2, 13))


async def test_a_client_that_takes_nothing_for_ten_seconds_is_closed(
    service: Service, job: dict[str, Any]
) -> None:
    """Not before, and then for good: no subscription and no memory is left."""
    listeners = len(service.jobs.hub)
    async with await narrow(service, job["links"]["events"]):
        await flood(service, 8)
        await let_pass(9)
        assert await connections(service) == 1
        await let_pass(4)
        assert await connections(service) == 0
        assert len(service.jobs.hub) == listeners


async def test_a_client_that_takes_a_little_is_not_closed(service: Service, job: dict[str, Any]) -> None:
    """One frame may take longer than 10 s, as long as something goes on."""
    reader, writer = await handshake(service, job["links"]["events"])
    await flood(service, 1, LARGE * 8)
    for _ in range(3):
        await let_pass(7)
        await reader.readexactly(1_500_000)
    assert await connections(service) == 1
    await let_pass(14)
    assert await connections(service) == 0
    writer.close()


async def handshake(service: Service, path: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A websocket as bytes, whose client answers nothing."""
    sock = await dialled(service)
    reader, writer = await asyncio.open_connection(sock=sock)
    lines = (f"GET {path} HTTP/1.1", "Host: localhost", "Upgrade: websocket", "Connection: Upgrade")
    key = ("Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==", "", "")
    writer.write("\r\n".join((*lines, *key)).encode())
    assert b" 101 " in await reader.readuntil(b"\r\n\r\n")
    return reader, writer


@pytest.mark.parametrize("path", ["events", "/api/jobs/ws"])
async def test_a_terminal_frame_is_not_swallowed_by_the_expiry(path: str) -> None:
    """A client that was busy while a job ended and expired still sees the end, and then the expiry."""
    async with running_service(job_ttl_seconds=10, reap_interval_seconds=1) as service:
        job = await service.running()
        target = job["links"]["events"] if path == "events" else path
        async with await narrow(service, target) as client:
            await flood(service, 8)
            service.gate.gate().set()
            await until(lambda: service.jobs.active_jobs == 0)
            await service.clock.advance(20)
            async with service.client.get(job["links"]["self"]) as answer:
                assert answer.status == 404
            told: list[dict[str, Any]] = []
            while not told or ends(told[-1], path) is False:
                told.append(json.loads(await asyncio.wait_for(client.recv(), 5)))
    assert "success" in [frame["job"]["status"] for frame in told if frame["type"] == "job"]


def ends(frame: dict[str, Any], path: str) -> bool:
    if path == "events":
        return bool(frame["type"] == "job" and frame["job"]["status"] == "success")
    return bool(frame["type"] == "expired")


async def test_a_ping_comes_every_25_seconds_and_wants_an_answer(service: Service) -> None:
    """A client that does not answer is cut; one that does stays."""
    async with await narrow(service, "/api/jobs/ws") as polite:
        await polite.recv()
        reader, writer = await handshake(service, "/api/jobs/ws")
        header = await reader.readexactly(2)
        await reader.readexactly(header[1])
        await let_pass(24)
        assert await connections(service) == 2
        await let_pass(2)
        assert await asyncio.wait_for(reader.readexactly(2), 1) == b"\x89\x00"
        await let_pass(15)
        await until(lambda: len(service.jobs.hub) == 2)
        assert await connections(service) == 1
        writer.close()
        await service.finished()
        assert json.loads(await asyncio.wait_for(polite.recv(), 5))["type"] == "job"


async def test_a_hundred_pings_are_forgotten_after_ten_seconds(service: Service) -> None:
    """After 10 s a client may send as many again; one more within the next 9 closes with 1008."""
    async with await narrow(service, "/api/jobs/ws") as client:
        await client.recv()
        for seconds in (10.5, 9):
            for _ in range(100):
                await asyncio.wait_for(await client.ping(), 5)
            await let_pass(seconds)
        await client.ping()
        with pytest.raises(ConnectionClosed):
            await asyncio.wait_for(client.recv(), 5)
    assert client.close_code == 1008
