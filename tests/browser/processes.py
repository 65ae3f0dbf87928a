"""The service and the sandbox as processes, as a user starts them."""

import os
import re
import selectors
import shlex
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

START_SECONDS = 20.0
RATE_LIMIT = "6000"


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class _Process:
    """`python -m kameo_async …` in an empty folder, with nothing of the user's own settings."""

    def __init__(self, folder: Path, arguments: list[str], env: Mapping[str, str]) -> None:
        self._folder = folder
        self._command = [sys.executable, "-m", "kameo_async", *arguments]
        homes = {name: str(folder) for name in ("HOME", "XDG_STATE_HOME", "XDG_DATA_HOME", "XDG_CACHE_HOME")}
        own = {"PATH": os.environ["PATH"], "KAMEO_ASYNC_STATE_FILE": "none", "PYTHONUNBUFFERED": "1", **homes}
        self._env = {**own, **env}
        self._process: subprocess.Popen[str] | None = None

    def start(self) -> None:
        with (self._folder / "stderr.log").open("a") as log:
            self._process = subprocess.Popen(
                self._command, cwd=self._folder, env=self._env, stdout=subprocess.PIPE, stderr=log, text=True
            )
        try:
            self._ready()
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
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        finally:
            if process.stdout:
                process.stdout.close()

    def _ready(self) -> None:
        raise NotImplementedError

    def _read_until(self, pattern: str) -> str:
        """What it printed until `pattern` was in it. Raises AssertionError when it ends or takes too long."""
        assert self._process is not None
        assert self._process.stdout is not None
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


class Service(_Process):
    """`kameo-async serve`; `url` is where its page is, the same after a restart."""

    def __init__(self, folder: Path, *arguments: str, env: Mapping[str, str] | None = None) -> None:
        port = free_port()
        super().__init__(folder, ["serve", "--port", str(port), *arguments], env or {})
        self.url = f"http://127.0.0.1:{port}/"

    def _ready(self) -> None:
        self._read_until(r"ready: open \S+\n")


class Sandbox(_Process):
    """`kameo-async sandbox`, without a rate limit that tests would meet; `settings` are those that use it."""

    def __init__(self, folder: Path, *arguments: str) -> None:
        super().__init__(folder, ["sandbox", "--latency", "0", "--rate-limit", RATE_LIMIT, *arguments], {})
        self.settings: dict[str, str] = {}

    def _ready(self) -> None:
        text = self._read_until(r"export KAMEO_TOTP_SECRET=.*\n")
        words = shlex.split(text)
        self.settings = dict(word.split("=", 1) for word in words if word.startswith("KAMEO_"))
        self.settings["KAMEO_REQUESTS_PER_MINUTE"] = RATE_LIMIT
