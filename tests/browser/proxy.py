"""Something between browser and service that gets in the way: refuses websockets, or goes down."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

REFUSAL = b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


class Proxy:
    """Mutable: whether websockets pass, the connections that are open, how many were refused."""

    def __init__(self, target: str, *, websockets: bool = True) -> None:
        self._target = urlsplit(target)
        self._open: set[asyncio.StreamWriter] = set()
        self._server: asyncio.Server | None = None
        self._port = 0
        self.websockets = websockets
        self.refused = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}/"

    async def up(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self._port)
        self._port = self._server.sockets[0].getsockname()[1]

    async def down(self) -> None:
        """Cuts every connection and takes no new one."""
        assert self._server is not None
        self._server.close()
        for writer in list(self._open):
            writer.transport.abort()
        await self._server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there = await asyncio.open_connection(self._target.hostname, self._target.port)
        writers = {writer, there[1]}
        self._open |= writers
        ways = [
            asyncio.create_task(self._requests(reader, there[1], writer)),
            asyncio.create_task(_copy(there[0], writer)),
        ]
        await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        for way in ways:
            way.cancel()
        await asyncio.gather(*ways, return_exceptions=True)
        for one in writers:
            one.transport.abort()
        self._open -= writers

    async def _requests(
        self, reader: asyncio.StreamReader, service: asyncio.StreamWriter, browser: asyncio.StreamWriter
    ) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(65536):
                if not self.websockets and b"upgrade: websocket" in data.lower():
                    self.refused += 1
                    browser.write(REFUSAL)
                    await browser.drain()
                    return
                service.write(data)
                await service.drain()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()


@asynccontextmanager
async def running_proxy(target: str, *, websockets: bool = True) -> AsyncIterator[Proxy]:
    """A proxy that is up, before the service at `target`."""
    proxy = Proxy(target, websockets=websockets)
    await proxy.up()
    try:
        yield proxy
    finally:
        await proxy.down()
