"""Open websockets: a bound on their number, one pump each, and a clean end at the shutdown.

Server to client only. A pump sends whatever its frames give next, so a slow client holds one frame and
the socket's own buffer, and nobody waits for it; its connection cuts it when it takes nothing for too long.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from typing import Final

import structlog
from aiohttp import WSCloseCode, WSMsgType, hdrs, web

from kameo_async.web.problems import RETRY_AFTER_SECONDS, HttpError

log = structlog.get_logger()

PING_SECONDS: Final = 25
CLOSE_TIMEOUT_SECONDS: Final = 1
MAX_MESSAGE_BYTES: Final = 4096
MAX_PINGS: Final = 100
PING_WINDOW_SECONDS: Final = 10


class Sockets:
    """The websockets of one application.

    Mutable state: `_pumps` (open sockets and the tasks that feed them), `_count` (those about to open
    included); on the loop's thread only.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._count = 0
        self._pumps: dict[web.WebSocketResponse, asyncio.Task[None]] = {}

    def __len__(self) -> int:
        return self._count

    async def serve(self, request: web.Request, frames: AsyncIterator[bytes]) -> web.WebSocketResponse:
        """Sends `frames` as text and closes with 1000 after the last; returns when the socket is closed.

        Raises HttpError 426 where no websocket was asked for, 503 where as many are open as may be.
        """
        if request.headers.get(hdrs.UPGRADE, "").lower() != "websocket":
            raise HttpError(426, "This is a websocket", {"Upgrade": "websocket", "Connection": "Upgrade"})
        if self._count >= self._limit:
            raise HttpError(503, "Too many websockets are open", {"Retry-After": RETRY_AFTER_SECONDS})
        self._count += 1
        try:
            return await self._serve(request, frames)
        finally:
            self._count -= 1

    async def close(self) -> None:
        """Lets those whose job has ended get their last frame (1000), closes the rest with 1001."""
        if self._pumps:
            await asyncio.wait(self._pumps.values(), timeout=0.5, return_when=asyncio.ALL_COMPLETED)
        closing = [socket.close(code=WSCloseCode.GOING_AWAY) for socket in self._pumps]
        await asyncio.gather(*closing, return_exceptions=True)

    async def _serve(self, request: web.Request, frames: AsyncIterator[bytes]) -> web.WebSocketResponse:
        socket = web.WebSocketResponse(
            timeout=CLOSE_TIMEOUT_SECONDS,
            heartbeat=PING_SECONDS,
            autoping=False,  # so that pings can be counted
            compress=False,  # one encoding for all, and no inflater a socket
            max_msg_size=MAX_MESSAGE_BYTES + 1,  # aiohttp refuses what is as long as this
        )
        await socket.prepare(request)
        pump = asyncio.get_running_loop().create_task(_pump(socket, frames), name="websocket-pump")
        self._pumps[socket] = pump
        # Not after the wait below: a client that goes away cancels this handler, perhaps just there.
        pump.add_done_callback(lambda _: self._pumps.pop(socket, None))
        try:
            await _read(socket)
        finally:
            pump.cancel()
            await asyncio.gather(pump, return_exceptions=True)
        return socket


async def _pump(socket: web.WebSocketResponse, frames: AsyncIterator[bytes]) -> None:
    try:
        async for frame in frames:
            await socket.send_frame(frame, WSMsgType.TEXT)
        await socket.close(code=WSCloseCode.OK)
    except ConnectionError:
        log.debug("websocket.lost")
    except Exception:
        log.exception("websocket.crashed")
        await socket.close(code=WSCloseCode.INTERNAL_ERROR)


async def _read(socket: web.WebSocketResponse) -> None:
    """Answers pings, within bounds, until the socket is closed; a client has nothing else to say."""
    pings: deque[float] = deque(maxlen=MAX_PINGS)
    loop = asyncio.get_running_loop()
    async for message in socket:
        if message.type is WSMsgType.PING:
            if len(pings) == MAX_PINGS and loop.time() - pings[0] < PING_WINDOW_SECONDS:
                await socket.close(code=WSCloseCode.POLICY_VIOLATION, message=b"too many pings")
                return
            pings.append(loop.time())
            await socket.pong(message.data)
        elif message.type is not WSMsgType.PONG:
            await socket.close(code=WSCloseCode.POLICY_VIOLATION, message=b"nothing is to be sent here")
            return
