"""What comes and goes leaves nothing behind in the process."""

import gc

import aiohttp
from aiohttp import web

from tests.service import running_service


async def test_websockets_that_come_and_go_are_forgotten() -> None:
    """A hundred clients that open a websocket and leave: no socket object stays alive."""
    async with running_service() as service:
        for _ in range(20):
            async with aiohttp.ClientSession(service.url) as client:
                for _ in range(5):
                    async with client.ws_connect("/api/jobs/ws") as socket:
                        await socket.receive()
        await service.finished(text="a")  # the loop has gone round since the last one left
        gc.collect()
        alive = [each for each in gc.get_objects() if isinstance(each, web.WebSocketResponse)]
        assert len(alive) <= 5
