"""The floor: a bare aiohttp handler on uvloop that answers the same bytes with the same header fields.

Run as `python -m tests.benchmarks.floor PORT ANSWERS`, where ANSWERS is a JSON file of what it says:
`{"get": {"headers", "body"}, "post": {...}, "frame": "…"}`. A datagram `step` on PORT sends the frame to
all open websockets, in a bare loop.
"""

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

import uvloop
from aiohttp import WSMsgType, web


class Floor(asyncio.DatagramProtocol):
    """Answers from memory."""

    def __init__(self, answers: dict[str, Any]) -> None:
        self._get, self._post = (
            (answers[name]["body"].encode(), answers[name]["headers"]) for name in ("get", "post")
        )
        self._frame = answers["frame"].encode()
        self._sockets: set[web.WebSocketResponse] = set()

    async def get(self, request: web.Request) -> web.Response:
        body, headers = self._get
        return web.Response(body=body, headers=headers)

    async def post(self, request: web.Request) -> web.Response:
        body, headers = self._post
        return web.Response(body=body, status=202, headers=headers)

    async def listen(self, request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse(compress=False)
        await socket.prepare(request)
        await socket.send_frame(self._frame, WSMsgType.TEXT)
        self._sockets.add(socket)
        async for _ in socket:
            pass
        self._sockets.discard(socket)
        return socket

    def datagram_received(self, data: bytes, addr: Any) -> None:
        self._push = asyncio.get_running_loop().create_task(self._send())

    async def _send(self) -> None:
        for socket in self._sockets:
            await socket.send_frame(self._frame, WSMsgType.TEXT)


async def serve(port: int, answers: dict[str, Any]) -> None:
    """Until it is ended."""
    floor = Floor(answers)
    app = web.Application()
    app.add_routes([web.get("/job", floor.get), web.post("/job", floor.post), web.get("/ws", floor.listen)])
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    await asyncio.get_running_loop().create_datagram_endpoint(lambda: floor, local_addr=("127.0.0.1", port))
    await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run(serve(int(sys.argv[1]), json.loads(Path(sys.argv[2]).read_text())))
