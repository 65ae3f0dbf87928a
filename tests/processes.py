"""`kameo-async` as processes: real ones, with pipes, signals and exit codes.

They are forked off one that has imported everything (tests/forge.py): a start of its own takes 0.4 s of
processor time, and the tests need a hundred. That one starts properly too is for tests/test_packaging.py
and tests/test_plugin_kind.py.
"""

import atexit
import functools
import json
import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO

COMMAND = (sys.executable, "-m", "kameo_async")
SECONDS = 20
ROOT = Path(__file__).parent.parent

_NULL = Path(os.devnull)


def environment(folder: Path, **extra: str) -> dict[str, str]:
    """Nothing of the developer's own settings; a state folder of the test's."""
    kept = {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ}
    return {**kept, "HOME": str(folder), "XDG_STATE_HOME": str(folder), "PYTHONWARNINGS": "error", **extra}


class Command:
    """A command that runs, with as much of `subprocess.Popen` as tests use.

    `stdout` and `stderr` are the reading ends of pipes, but where a file is given for `stderr`.
    """

    def __init__(
        self, folder: Path, *words: str, env: Mapping[str, str], stderr: IO[bytes] | None = None
    ) -> None:
        self.args = words
        self.returncode: int | None = None
        self.stdout, out = _pipe()
        self.stderr: IO[bytes] | None
        self.stderr, err = _pipe() if stderr is None else (None, os.dup(stderr.fileno()))
        self._news, news = _pipe()
        order = json.dumps({"words": words, "cwd": str(folder), "env": dict(env)}).encode()
        with _NULL.open("rb") as nothing:
            socket.send_fds(_forge(), [order], [nothing.fileno(), out, err, news])
        for descriptor in (out, err, news):
            os.close(descriptor)
        self.pid = int(self._news.readline())

    def poll(self) -> int | None:
        """The exit code, or null while it runs."""
        if self.returncode is None and select.select([self._news], [], [], 0)[0]:
            self.wait()
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """The exit code, once there is one. Raises subprocess.TimeoutExpired."""
        if self.returncode is None:
            if not select.select([self._news], [], [], timeout)[0]:
                raise subprocess.TimeoutExpired(self.args, timeout or 0)
            self.returncode = os.waitstatus_to_exitcode(int(self._news.readline()))
            self._news.close()
        return self.returncode

    def send_signal(self, number: int) -> None:
        """Nothing where it has ended."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def close(self) -> None:
        """Kills it where it runs, and closes the pipes."""
        self.kill()
        self.wait(SECONDS)
        for stream in (self.stdout, self.stderr):
            if stream is not None:
                stream.close()


def run(folder: Path, *words: str, **extra: str) -> subprocess.CompletedProcess[bytes]:
    """A command to its end. Raises subprocess.TimeoutExpired."""
    with tempfile.TemporaryFile() as stderr:
        command = Command(folder, *words, env=environment(folder, **extra), stderr=stderr)
        late = threading.Timer(SECONDS, command.kill)
        late.start()
        try:
            stdout = command.stdout.read()
            if late.finished.is_set():
                raise subprocess.TimeoutExpired(words, SECONDS)
            code = command.wait(SECONDS)
        finally:
            late.cancel()
            command.close()
        stderr.seek(0)
        return subprocess.CompletedProcess(words, code, stdout, stderr.read())


@contextmanager
def started(folder: Path, *words: str, **extra: str) -> Iterator[Command]:
    """A command that runs until the test is done with it."""
    command = Command(folder, *words, env=environment(folder, **extra))
    try:
        yield command
    finally:
        command.close()


def _pipe() -> tuple[IO[bytes], int]:
    reads, writes = os.pipe()
    return os.fdopen(reads, "rb"), writes


@functools.cache
def _forge() -> socket.socket:
    """One for each process of pytest's."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    forge = subprocess.Popen(
        [sys.executable, "-W", "error", "-c", f"from tests import forge; forge.run({theirs.fileno()})"],
        cwd=ROOT,
        pass_fds=[theirs.fileno()],
        stdin=subprocess.DEVNULL,
    )
    theirs.close()

    def end() -> None:
        ours.close()
        forge.wait(SECONDS)

    atexit.register(end)
    return ours
