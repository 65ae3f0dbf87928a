"""Starts the rivals, each on the server's core with all that it needs."""

import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from tests.benchmarks.machine import NotThereError, free_port, running
from tests.benchmarks.servers import RESULT_CHARACTERS, ROOT, ask

_REDIS_SECONDS = 0.5
_SETTLE_SECONDS = 2  # a worker's first sweep ends jobs that it meets between two of its own steps


@dataclass(slots=True)
class OverHttp:
    """A rival behind HTTP; `poll` and `listen` are what its address is followed by."""

    name: str
    port: int
    url: str
    submit: str
    poll: str
    listen: str

    def poll_url(self) -> str:
        return self.url + self.poll

    def submit_url(self) -> str:
        return self.url + self.submit

    def listen_url(self) -> str:
        return self.url + self.listen

    def rest(self) -> None:
        while ask(f"{self.url}/active")[1]:
            time.sleep(0.005)


def missing() -> list[str]:
    """What keeps the comparison from being whole, a line each."""
    lines = [
        f"{name} is missing: pip install --group bench"
        for name in ("fastapi", "uvicorn")
        if not find_spec(name)
    ]
    if not find_spec("saq"):
        lines.append("saq is missing: pip install --group bench")
    if shutil.which("redis-server") is None:
        lines.append("redis-server is missing: apt-get install redis-server")
    return lines


@contextmanager
def fastapi(folder: Path) -> Iterator[OverHttp]:
    """FastAPI with BackgroundTasks and a dict."""
    steps = free_port()
    with _uvicorn("fastapi_app", folder, BENCH_PORT=str(steps)) as url:
        job = _finished(url, f"/jobs?size={RESULT_CHARACTERS}", "job_id")
        yield OverHttp("FastAPI", steps, url, "/jobs", f"/jobs/{job['job_id']}", "/ws")


@contextmanager
def saq(folder: Path) -> Iterator[OverHttp]:
    """SAQ: a web process, a worker and Redis."""
    steps, redis = free_port(), free_port()
    env = {"BENCH_PORT": str(steps), "REDIS_URL": f"redis://127.0.0.1:{redis}"}
    with ExitStack() as stack:
        command = ("redis-server", "--port", str(redis), "--bind", "127.0.0.1", "--save", "", "--dir", folder)
        stack.enter_context(running(command, folder / "redis.log", None))
        time.sleep(_REDIS_SECONDS)
        url = stack.enter_context(_uvicorn("saq_app", folder, **env))
        worker = (Path(sys.executable).with_name("saq"), "tests.benchmarks.rivals.saq_app.settings")
        stack.enter_context(running(worker, folder / "saq.log", None, PYTHONPATH=str(ROOT), **env))
        time.sleep(_SETTLE_SECONDS)
        job = _finished(url, f"/jobs/nothing?size={RESULT_CHARACTERS}", "key")
        _, stage = ask(f"{url}/jobs/stage", "POST")
        yield SaqOverHttp(
            "SAQ", steps, url, "/jobs/nothing", f"/jobs/{job['key']}", f"/jobs/{stage['key']}/ws"
        )


class SaqOverHttp(OverHttp):
    """SAQ counts the job that steps as one that has not ended."""

    def rest(self) -> None:
        while int(str(ask(f"{self.url}/active")[1])) > 1:
            time.sleep(0.005)


def start(stack: ExitStack, folder: Path, notes: list[str]) -> list[OverHttp]:
    """Those that can be started, until the stack is left."""
    lacking = missing()
    notes += lacking
    rivals = []
    if not any(line.startswith(("fastapi", "uvicorn")) for line in lacking):
        rivals.append(stack.enter_context(fastapi(folder)))
    if not lacking:
        rivals.append(stack.enter_context(saq(folder)))
    return rivals


@contextmanager
def _uvicorn(module: str, folder: Path, **env: str) -> Iterator[str]:
    """As its documentation has it in production, but without the access log, which ours has not either."""
    port = free_port()
    app = f"tests.benchmarks.rivals.{module}:app"
    command = (sys.executable, "-m", "uvicorn", app, "--port", str(port), "--no-access-log")
    url = f"http://127.0.0.1:{port}"
    with running(command, folder / f"{module}.log", f"{url}/active", PYTHONPATH=str(ROOT), **env):
        yield url


def _finished(url: str, submit: str, key: str) -> dict[str, Any]:
    _, job = ask(url + submit, "POST")
    deadline = time.monotonic() + 20
    while (found := ask(f"{url}/jobs/{job[key]}")[1])["status"] not in ("success", "complete"):
        if time.monotonic() > deadline:
            raise NotThereError(f"{submit} did not end: {found}")
        time.sleep(0.02)
    return found
