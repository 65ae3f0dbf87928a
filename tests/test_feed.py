"""Frames of every length arrive as they were meant, from the service's own writing of their headers."""

import asyncio
import gc

import aiohttp
import pytest
from pydantic import BaseModel

from kameo_async import Report
from kameo_async.web.protocol import Connection
from tests.living import living
from tests.service import running_service


class Long:
    kind = "long"
    title = "Be long"
    description = "Gives so many characters."

    class Params(BaseModel):
        size: int

    class Result(BaseModel):
        text: str

    async def run(self, params: Params, report: Report) -> Result:
        return self.Result(text="x" * params.size)


@pytest.mark.parametrize("size", [0, 60_000, 64_830, 64_900, 200_000])
async def test_a_frame_of_any_length(size: int):
    """The last frame is the document, and the close comes after it."""
    async with running_service([Long()]) as service:
        job = await service.finished("long", size=size)
        async with service.client.ws_connect(job["links"]["events"], max_msg_size=0) as socket:
            message = await socket.receive_json()
            assert message == {"type": "job", "job": await service.get(job)}
            end = await socket.receive()
            assert (end.type, end.data) == (aiohttp.WSMsgType.CLOSE, aiohttp.WSCloseCode.OK)


async def test_a_client_that_was_behind_gets_the_newest():
    """What it missed is skipped; what it gets in the end is the end, and then the close."""
    async with running_service() as service:
        job = await service.running()
        async with service.client.ws_connect(job["links"]["events"]) as socket:
            report = service.gate.reports["one"]
            for n in range(20):
                await report(n, message="x" * 60_000)
                await service.clock.advance(0.1)
            service.gate.gate().set()
            frames = [
                message.json()["job"] async for message in socket if message.type is aiohttp.WSMsgType.TEXT
            ]
        revisions = [frame["revision"] for frame in frames]
        assert revisions == sorted(set(revisions))
        assert frames[-1] == await service.get(job)
        assert frames[-1]["status"] == "success"
        await asyncio.sleep(0)


async def test_a_socket_that_is_gone_leaves_nothing():
    """Its connection, 40 objects with it, does not wait for the garbage collector."""
    gc.collect()
    others = living(Connection)
    gc.disable()
    try:
        async with running_service() as service, service.client.ws_connect("/api/jobs/ws") as socket:
            await socket.receive()
        assert [one for one in living(Connection) if one not in others] == []
    finally:
        gc.enable()
