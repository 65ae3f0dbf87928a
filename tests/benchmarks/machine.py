"""Processes on their own core, and what the machine is."""

import os
import platform
import resource
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

SERVER_CORE, CLIENT_CORE = 0, 1

_READY_SECONDS = 20
_STOP_SECONDS = 15


class NotThereError(Exception):
    """Something that a part of the bench needs is missing on this machine: one line that says what."""


def pin_client() -> None:
    """Puts this process, and what it starts, onto the client's core, with all the descriptors it may have."""
    os.sched_setaffinity(0, {CLIENT_CORE if os.cpu_count() != 1 else 0})
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


@contextmanager
def on_all_cores() -> Iterator[None]:
    """Meanwhile neither this process nor what it starts is pinned."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, range(os.cpu_count() or 1))
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def free_port(kind: socket.SocketKind = socket.SOCK_STREAM) -> int:
    """A port of loopback that nobody has at the moment."""
    with socket.socket(socket.AF_INET, kind) as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def on_server_core(command: Sequence[str | Path], log: Path, **env: str) -> subprocess.Popen[bytes]:
    """Starts a process that writes to `log`: on the server's core, or on all where this one is on all too."""
    is_pinned = len(os.sched_getaffinity(0)) == 1
    pinned = ["taskset", "-c", str(SERVER_CORE)] if is_pinned else []
    with log.open("ab") as out:
        return subprocess.Popen(
            [*pinned, *map(str, command)],
            env={**_clean_environment(), **env},
            stdout=out,
            stderr=out,
            cwd=log.parent,
        )


@contextmanager
def running(command: Sequence[str | Path], log: Path, url: str | None, **env: str) -> Iterator[int]:
    """A process on the server's core, from its first 200 at `url` to the end of the context; gives its id."""
    process = on_server_core(command, log, **env)
    try:
        if url is not None:
            wait_for(url, process, log)
        yield process.pid
    finally:
        stop(process)


def stop(process: subprocess.Popen[bytes]) -> None:
    """Asks it to end, and does not ask twice."""
    process.terminate()
    try:
        process.wait(_STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def wait_for(url: str, process: subprocess.Popen[bytes], log: Path, pause: float = 0.005) -> None:
    """Returns at the first 200. Raises NotThereError where the process ends, or never gets so far."""
    deadline = time.monotonic() + _READY_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with urllib.request.urlopen(url, timeout=5) as answer:
                if answer.status == 200:
                    return
        except (urllib.error.URLError, ConnectionError):
            time.sleep(pause)
    tail = log.read_text(errors="replace").strip().splitlines()[-3:]
    raise NotThereError(f"{url} did not answer: {' | '.join(tail)}")


def private_bytes(pid: int) -> int:
    """Memory that the process alone has, in bytes."""
    text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    lines = (line.split() for line in text.splitlines())
    return sum(int(line[1]) * 1024 for line in lines if line[0] in ("Private_Clean:", "Private_Dirty:"))


def description() -> dict[str, str]:
    """The processor, the kernel and the Python."""
    names = [line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
    return {
        "processor": f"{os.cpu_count()} x {names[0].partition(': ')[2] if names else platform.machine()}",
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
    }


def _clean_environment() -> Mapping[str, str]:
    """Ours without settings of the service, so that it runs on its defaults."""
    ours = ("KAMEO", "TEST_MODE", "ENVIRONMENT", "COV_", "PYTEST", "XDG_STATE_HOME")
    return {name: value for name, value in os.environ.items() if not name.startswith(ours)}
