"""The service as a process, as a user starts it, and the sandbox that it fetches from."""

import asyncio
import os
import re
import selectors
import signal
import socket
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from kameo_async.clock import SystemClock
from kameo_async.sandbox.options import SandboxOptions, parse_fault
from kameo_async.sandbox.server import RunningSandbox, running_sandbox
from tests.processes import Command

START_SECONDS = 20.0
RATE_LIMIT = 6000


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Service:
    """`python -m kameo_async serve` in an empty folder, with nothing of the user's own settings.

    `url` is where its page is, the same after a restart.
    """

    def __init__(self, folder: Path, *arguments: str, env: Mapping[str, str] | None = None) -> None:
        port = str(free_port())
        self.url = f"http://127.0.0.1:{port}/"
        self._folder = folder
        self._words = ("serve", "--port", port, *arguments)
        homes = {name: str(folder) for name in ("HOME", "XDG_STATE_HOME", "XDG_DATA_HOME", "XDG_CACHE_HOME")}
        own = {"PATH": os.environ["PATH"], "KAMEO_ASYNC_STATE_FILE": "none", "PYTHONUNBUFFERED": "1", **homes}
        self._env = {**own, **(env or {})}
        self._process: Command | None = None

    def start(self) -> None:
        """Returns once it listens; does nothing where it does already."""
        if self._process is not None:
            return
        with (self._folder / "stderr.log").open("ab") as log:
            self._process = Command(self._folder, *self._words, env=self._env, stderr=log)
        try:
            self._read_until(r"ready: open \S+.*\n")
        except BaseException:
            self.kill()
            raise

    def kill(self) -> None:
        """Ends it without a word to anybody, as a power cut does."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """Ends it as systemd does."""
        self._end(signal.SIGTERM)

    def _end(self, number: signal.Signals) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        process.send_signal(number)
        try:
            process.wait(20)
        finally:
            process.close()

    def _read_until(self, pattern: str) -> str:
        """What it printed until `pattern` was in it. Raises AssertionError when it ends or takes too long."""
        assert self._process is not None
        descriptor = self._process.stdout.fileno()
        text, deadline = "", time.monotonic() + START_SECONDS
        with selectors.DefaultSelector() as selector:
            selector.register(descriptor, selectors.EVENT_READ)
            while not re.search(pattern, text):
                assert selector.select(deadline - time.monotonic()), f"not ready in time: {text}"
                chunk = os.read(descriptor, 65536).decode()
                assert chunk, f"ended early: {text}{(self._folder / 'stderr.log').read_text()}"
                text += chunk
        return text

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()


@asynccontextmanager
async def sandbox(*faults: str, latency: float = 0, **options: Any) -> AsyncIterator[RunningSandbox]:
    """An imitation of Kameo on the tests' own loop, never too busy."""
    orders = tuple(map(parse_fault, faults))
    all_options = SandboxOptions(faults=orders, latency=(latency, latency), rate_limit=RATE_LIMIT, **options)
    async with running_sandbox(all_options, SystemClock()) as running:
        yield running


@asynccontextmanager
async def silent_kameo() -> AsyncIterator[dict[str, str]]:
    """Something that takes connections and says nothing; gives the settings of a patient client."""

    async def listen(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    server = await asyncio.start_server(listen, "127.0.0.1")
    address = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    names = {"KAMEO_EMAIL": "a@b.example", "KAMEO_PASSWORD": "a", "KAMEO_TOTP_SECRET": "JBSWY3DPEHPK3PXP"}
    async with server:
        yield {**names, "KAMEO_BASE_URL": address, "KAMEO_API_URL": address, "KAMEO_READ_TIMEOUT": "300"}
