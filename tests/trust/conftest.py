"""A real service for the tests of trust, its log kept."""

import json
import resource
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import pytest

from tests.processes import COMMAND, SECONDS, Command, environment
from tests.trust.kinds import offer


class Process:
    """`kameo-async serve` as a process that offers the kinds of this folder; what it logs goes to a file.

    `limits` are those of prlimit, under which it starts.
    """

    popen: Command | subprocess.Popen[bytes]

    def __init__(self, folder: Path, *limits: str, **settings: str) -> None:
        self.folder = folder
        self._log = folder / "log"
        usual = {"TEST_MODE": "1", "KAMEO_ASYNC_LOG_FORMAT": "json", "PYTHONPATH": offer(folder)}
        env = environment(folder, **(usual | settings))
        with self._log.open("wb") as log:
            self.popen = _started(limits, folder, env, log)
        assert self.popen.stdout is not None
        self.said = self.popen.stdout.readline().decode()
        self.port = int(self.said.split("?")[0].rstrip("/\n").rpartition(":")[2])
        self.url = f"http://127.0.0.1:{self.port}"

    @property
    def log(self) -> str:
        return self._log.read_text(errors="replace")

    @property
    def events(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.log.splitlines() if line.startswith("{")]

    @property
    def memory(self) -> int:
        """Bytes that are resident."""
        pages = Path(f"/proc/{self.popen.pid}/statm").read_text().split()[1]
        return int(pages) * resource.getpagesize()

    @property
    def descriptors(self) -> int:
        """How many files and sockets it has open."""
        return len(list(Path(f"/proc/{self.popen.pid}/fd").iterdir()))

    def stop(self) -> None:
        if self.popen.poll() is None:
            self.popen.kill()
        self.popen.wait(SECONDS)
        assert self.popen.stdout is not None
        self.popen.stdout.close()


def _started(
    limits: tuple[str, ...], folder: Path, env: dict[str, str], log: IO[bytes]
) -> Command | subprocess.Popen[bytes]:
    words = ("serve", "--port", "0")
    if not limits and "LD_PRELOAD" not in env:
        return Command(folder, *words, env=env, stderr=log)
    command = [*(("prlimit", *limits) if limits else ()), *COMMAND, *words]
    return subprocess.Popen(command, cwd=folder, env=env, stdout=subprocess.PIPE, stderr=log)


@pytest.fixture(scope="module")
def process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Process]:
    """One service without a token."""
    process = Process(tmp_path_factory.mktemp("trust"))
    yield process
    process.stop()


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Process]:
    """One service with a token, reached under a name of its own too."""
    folder = tmp_path_factory.mktemp("guarded")
    process = Process(
        folder,
        KAMEO_ASYNC_TOKEN="marker-token-71",
        KAMEO_ASYNC_ALLOWED_HOSTS="loans.example",
        KAMEO_ASYNC_LOG_LEVEL="debug",
    )
    yield process
    process.stop()
