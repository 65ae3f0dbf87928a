"""Clients that say little, or take nothing, are closed within 15 s; the tests move the clock of the loop."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from pydantic import BaseModel

from kameo_async import Report
from tests.contract.slow.loop import let_pass
from tests.service import Echo, Service, running_service
from tests.trust.raw import request

MOST_SECONDS = 15
JSON = "Content-Type: application/json"
LARGE = "x" * 8_000_000  # more than the kernel takes for a client that does not read


class Heap:
    """Gives a result that does not fit into the kernel's buffers."""

    kind = "heap"
    title = "Give much"
    description = "Its result is large."

    class Params(BaseModel):
        pass

    class Result(BaseModel):
        text: str

    async def run(self, params: Params, report: Report) -> Result:
        return self.Result(text=LARGE)


Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@pytest.fixture
async def service() -> AsyncIterator[Service]:
    async with running_service([Echo(), Heap()], is_watched=False) as running:
        yield running


@asynccontextmanager
async def connected(service: Service) -> AsyncIterator[Streams]:
    """A raw connection; its reader takes no more than a little ahead."""
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    sock.setblocking(False)
    await asyncio.get_running_loop().sock_connect(sock, ("127.0.0.1", port(service)))
    reader, writer = await asyncio.open_connection(sock=sock, limit=4096)
    try:
        yield reader, writer
    finally:
        writer.transport.abort()


def port(service: Service) -> int:
    return int(service.url.rpartition(":")[2])


async def is_closed(streams: Streams) -> bool:
    """Whether the other side closed, after everything that it sent is read."""
    try:
        await asyncio.wait_for(streams[0].read(), 0.1)
    except TimeoutError:
        return False
    except ConnectionError:
        return True
    return True


async def test_a_silent_client_is_closed(service: Service) -> None:
    """Row 16: nothing at all."""
    async with connected(service) as streams:
        await let_pass(9)
        assert not await is_closed(streams)
        await let_pass(MOST_SECONDS - 9)
        assert await is_closed(streams)


@pytest.mark.parametrize("first", [b"", b"GET /api/health HTTP/1.1\r\nHost: localhost\r\n\r\n"])
async def test_dripped_headers_are_not_waited_for(service: Service, first: bytes) -> None:
    """Row 16: a byte now and then keeps no connection open, neither a new one nor one that asked before."""
    async with connected(service) as (reader, writer):
        writer.write(first)
        if first:
            await reader.readuntil(b"}")
        for byte in b"GET /api/health"[:MOST_SECONDS]:
            writer.write(bytes([byte]))
            await let_pass(1)
        assert await is_closed((reader, writer))


@pytest.mark.parametrize("drips", [False, True])
async def test_a_body_that_does_not_come_is_408(service: Service, drips: bool) -> None:
    """Row 16: announced and never sent, or sent a byte a second."""
    async with connected(service) as (reader, writer):
        writer.write(request(port(service), "POST", "/api/jobs/echo", JSON, body=b"{" * 60_000)[:-59_999])
        for _ in range(MOST_SECONDS):
            if drips:
                writer.write(b" ")
            await let_pass(1)
        told = await asyncio.wait_for(reader.read(), 1)
    assert told.startswith(b"HTTP/1.1 408 ")


async def test_a_body_that_nobody_wants_is_not_waited_for(service: Service) -> None:
    """Row 16: the answer comes at once, and the connection goes soon after."""
    async with connected(service) as (reader, writer):
        writer.write(request(port(service), "POST", "/api/nothing", JSON, body=b"{" * 60_000)[:-59_999])
        assert (await asyncio.wait_for(reader.readline(), 1)).startswith(b"HTTP/1.1 404 ")
        await let_pass(MOST_SECONDS)
        assert await is_closed((reader, writer))


async def test_an_answer_that_nobody_takes_is_not_kept(service: Service) -> None:
    """A client that asks for a large result and reads nothing for 10 s is cut, its answer forgotten."""
    job = await service.finished("heap")
    async with connected(service) as (reader, writer):
        writer.write(request(port(service), "GET", job["links"]["result"]))
        await let_pass(MOST_SECONDS)
        with pytest.raises((asyncio.IncompleteReadError, ConnectionError)):
            await reader.readexactly(len(LARGE))


async def test_an_answer_that_is_taken_slowly_arrives(service: Service) -> None:
    """A large result may take longer than 10 s, as long as something goes on."""
    job = await service.finished("heap")
    async with connected(service) as (reader, writer):
        writer.write(request(port(service), "GET", job["links"]["result"]))
        for _ in range(8):
            await let_pass(7)
            await reader.readexactly(len(LARGE) // 8)
        assert b"xxx" in await asyncio.wait_for(reader.read(), 1)
