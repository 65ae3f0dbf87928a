"""How the tests ask: problems with all that they must have, raw requests, waiting for what must come."""

import asyncio
import re
from collections.abc import Callable
from typing import Any

import aiohttp
from websockets.asyncio.client import connect

from tests.service import Service

PATIENCE_SECONDS = 5


async def problem(answer: aiohttp.ClientResponse, status: int) -> dict[str, Any]:
    """The problem document of a refused request; whatever is missing in it fails the test."""
    assert answer.status == status, await answer.text()
    assert answer.content_type == "application/problem+json"
    fields: dict[str, Any] = await answer.json()
    assert fields["status"] == status
    assert fields["request_id"] == answer.headers["X-Request-ID"]
    assert fields["instance"] == answer.url.raw_path
    assert all(fields[name] for name in ("type", "title", "detail"))
    return fields


async def total(service: Service) -> int:
    """How many jobs there are."""
    async with service.client.get("/api/jobs") as answer:
        return int((await answer.json())["total_jobs"])


async def until(holds: Callable[[], bool]) -> None:
    """Returns once `holds`; for what comes over a socket, and by no event of its own."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not holds():  # noqa: ASYNC110 - a condition, which may change anywhere
            await asyncio.sleep(0.001)


async def raw(service: Service, *chunks: bytes) -> bytes:
    """Sends bytes as they are; gives all that comes until the server closes."""
    host, port = service.url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    try:
        for chunk in chunks:
            writer.write(chunk)
            await writer.drain()
        async with asyncio.timeout(PATIENCE_SECONDS):
            return await reader.read()
    finally:
        writer.close()
        await writer.wait_closed()


async def declined(service: Service, request: bytes) -> bytes:
    """The one answer to a request on a connection that stays open."""
    host, port = service.url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    try:
        writer.write(request)
        async with asyncio.timeout(PATIENCE_SECONDS):
            head = await reader.readuntil(b"\r\n\r\n")
            length = re.search(rb"(?i)content-length: ([0-9]+)", head)
            return head + await reader.readexactly(int(length[1]) if length else 0)
    finally:
        writer.close()
        await writer.wait_closed()


def opened(service: Service, path: str) -> connect:
    """A websocket, to be entered."""
    return connect(service.url.replace("http", "ws") + path, proxy=None)
