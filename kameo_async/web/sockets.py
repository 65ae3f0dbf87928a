"""Open websockets: a bound on their number, one feed each, and a clean end at the shutdown.

Server to client only. A slow client holds the newest revision and the socket's own buffer, and nobody waits
for it; its connection cuts it when it takes nothing for too long.
"""

import asyncio
from typing import Final, cast

from aiohttp import WSCloseCode, WSMsgType, hdrs, web

from kameo_async.jobs.subscription import Subscription
from kameo_async.web.feed import Feed, FrameOf
from kameo_async.web.problems import RETRY_AFTER_SECONDS, HttpError
from kameo_async.web.protocol import Connection

PING_SECONDS: Final = 25
LAST_FRAME_SECONDS: Final = 0.3
GOING_AWAY_SECONDS: Final = 0.3
CLOSE_TIMEOUT_SECONDS: Final = 1
MAX_MESSAGE_BYTES: Final = 4096
MAX_PINGS: Final = 100
PING_WINDOW_SECONDS: Final = 10


class Sockets:
    """The websockets of one application.

    Mutable state: `_feeds` (of open sockets), `_count` (those about to open included); on the loop's thread
    only.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._count = 0
        self._feeds: dict[web.WebSocketResponse, Feed] = {}

    def __len__(self) -> int:
        return self._count

    async def serve(
        self, request: web.Request, subscription: Subscription, frame_of: FrameOf, first: bytes | None = None
    ) -> web.WebSocketResponse:
        """Sends `first`, then a frame of each event as text, and closes with 1000 after the last.

        Returns when the socket is closed. Raises HttpError 426 where no websocket was asked for, 503 where as
        many are open as may be.
        """
        if request.headers.get(hdrs.UPGRADE, "").lower() != "websocket":
            raise HttpError(426, "This is a websocket", {"Upgrade": "websocket", "Connection": "Upgrade"})
        if self._count >= self._limit:
            raise HttpError(503, "Too many websockets are open", {"Retry-After": RETRY_AFTER_SECONDS})
        self._count += 1
        try:
            return await self._serve(request, subscription, frame_of, first)
        finally:
            self._count -= 1

    async def close(self) -> None:
        """Lets those whose job has ended get their last frame (1000), closes the rest with 1001.

        Cuts those that take nothing, so that no client holds up a shutdown.
        """
        ending = [feed.closing for feed in self._feeds.values() if feed.closing is not None]
        if ending:
            await asyncio.wait(ending, timeout=LAST_FRAME_SECONDS)
        closing = {
            asyncio.ensure_future(socket.close(code=WSCloseCode.GOING_AWAY)): feed
            for socket, feed in self._feeds.items()
        }
        if closing:
            _, late = await asyncio.wait(closing, timeout=GOING_AWAY_SECONDS)
            for task in late:
                closing[task].cut()
            await asyncio.gather(*closing, return_exceptions=True)

    async def _serve(
        self, request: web.Request, subscription: Subscription, frame_of: FrameOf, first: bytes | None
    ) -> web.WebSocketResponse:
        socket = web.WebSocketResponse(
            timeout=CLOSE_TIMEOUT_SECONDS,
            heartbeat=PING_SECONDS,
            autoping=False,  # so that pings can be counted
            compress=False,  # one encoding for all, and no inflater a socket
            max_msg_size=MAX_MESSAGE_BYTES + 1,  # aiohttp refuses what is as long as this
        )
        await socket.prepare(request)
        socket.headers.clear()  # sent, and 1 kB
        transport = request.transport
        if transport is None:
            return socket
        line = cast("Connection", request.protocol)
        feed = self._feeds[socket] = Feed(socket, transport, line, subscription, frame_of)
        try:
            feed.open(first)
            await _read(socket)
        finally:  # without a wait: a client that goes away cancels this handler, perhaps just here
            feed.close()
            del self._feeds[socket]
        return socket


async def _read(socket: web.WebSocketResponse) -> None:
    """Answers pings, within bounds, until the socket is closed; a client has nothing else to say."""
    pings: list[float] = []  # a deque, of which most stay empty, would be 0.7 kB a socket
    loop = asyncio.get_running_loop()
    async for message in socket:
        if message.type is WSMsgType.PING:
            if len(pings) == MAX_PINGS and loop.time() - pings[0] < PING_WINDOW_SECONDS:
                await socket.close(code=WSCloseCode.POLICY_VIOLATION, message=b"too many pings")
                return
            pings = [*pings[1 - MAX_PINGS :], loop.time()]
            await socket.pong(message.data)
        elif message.type is not WSMsgType.PONG:
            await socket.close(code=WSCloseCode.POLICY_VIOLATION, message=b"nothing is to be sent here")
            return


SOCKETS = web.AppKey("SOCKETS", Sockets)  # not among the other keys, which what it imports uses
