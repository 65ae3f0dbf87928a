"""The service as users run it, and the floor that answers as it does; each on the server's core."""

import json
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from socket import SOCK_DGRAM
from typing import Any

from tests.benchmarks.machine import NotThereError, free_port, running

ROOT = Path(__file__).parent.parent.parent
_PLUGIN = Path(__file__).parent / "plugin"
_ENTRY_POINTS = """[kameo_async.kinds]
nothing = kameo_bench:Nothing
chatter = kameo_bench:Chatter
stage = kameo_bench:Stage
"""

RESULT_CHARACTERS = 689  # makes a result of 700 bytes


@dataclass(frozen=True, slots=True)
class Served:
    """A server: its address, its process, and the port at which it takes datagrams."""

    url: str
    pid: int
    port: int

    def job_url(self, job: dict[str, Any]) -> str:
        """Where a job is."""
        return f"{self.url}{job['links']['self']}"

    def start_job(self, kind: str, wait: bool = False, **params: Any) -> dict[str, Any]:
        """Submits a job, and waits for its end where that is asked for."""
        headers = {"Content-Type": "application/json"} | ({"Prefer": "wait=60"} if wait else {})
        _, job = ask(f"{self.url}/api/jobs/{kind}", "POST", json.dumps(params).encode(), headers)
        return job

    def active_jobs(self) -> int:
        """How many wait or run."""
        _, health = ask(f"{self.url}/api/health")
        return int(health["active_jobs"])

    def rest(self, seconds: float = 60) -> None:
        """Returns when no job waits or runs."""
        deadline = time.monotonic() + seconds
        while self.active_jobs():
            if time.monotonic() > deadline:
                raise NotThereError("jobs did not end")
            time.sleep(0.002)


def ask(
    url: str, method: str = "GET", body: bytes | None = None, headers: dict[str, str] | None = None
) -> tuple[dict[str, str], dict[str, Any]]:
    """One request: the headers and the document of its answer."""
    request = urllib.request.Request(url, body, headers or {}, method=method)
    with urllib.request.urlopen(request, timeout=90) as answer:
        return dict(answer.headers), json.load(answer)


@contextmanager
def service(folder: Path, state: Path | None = None, **env: str) -> Iterator[Served]:
    """`kameo-async serve` with the bench's kinds installed; jobs survive in `state`."""
    port, stage = free_port(), free_port()
    url = f"http://127.0.0.1:{port}"
    env = _with_kinds(folder, stage) | {"KAMEO_ASYNC_STATE_FILE": str(state or "none")} | env
    command = (sys.executable, "-m", "kameo_async", "serve", "--port", str(port))
    with running(command, folder / f"service-{port}.log", f"{url}/api/ready", **env) as pid:
        yield Served(url, pid, stage)


@contextmanager
def worker(folder: Path, database: str, seconds: float = 20) -> Iterator[int]:
    """`kameo-async worker` with the bench's kinds, once it is ready; gives the port of its stage."""
    stage = free_port(SOCK_DGRAM)
    log = folder / f"worker-{stage}.log"
    env = _with_kinds(folder, stage) | {"KAMEO_ASYNC_DATABASE_URL": database}
    deadline = time.monotonic() + seconds
    with running((sys.executable, "-m", "kameo_async", "worker"), log, None, **env):
        while "worker is ready" not in log.read_text():
            if time.monotonic() > deadline:
                raise NotThereError(f"no worker: {log.read_text()[-200:]}")
            time.sleep(0.02)
        yield stage


@contextmanager
def floor(folder: Path, like: Served) -> Iterator[Served]:
    """The bare handler, with the answers that `like` gives at `/job`, and its frames at `/ws`."""
    port = free_port()
    answers = folder / f"answers-{port}.json"
    answers.write_text(json.dumps(_answers(like)))
    command = (sys.executable, "-m", "tests.benchmarks.floor", str(port), answers)
    log, url = folder / f"floor-{port}.log", f"http://127.0.0.1:{port}"
    with running(command, log, f"{url}/job", PYTHONPATH=str(ROOT)) as pid:
        yield Served(url, pid, port)


def _with_kinds(folder: Path, stage: int) -> dict[str, str]:
    """The environment in which the bench's kinds are installed."""
    path = ":".join(map(str, (_installed_kinds(folder), _PLUGIN)))
    return {"PYTHONPATH": path, "LOG_LEVEL": "info", "BENCH_PORT": str(stage)}


def _answers(like: Served) -> dict[str, Any]:
    """What the service says to a poll and to a submit, and a frame of a job that reports."""
    finished = like.start_job("nothing", wait=True, size=RESULT_CHARACTERS)
    headers, document = ask(like.job_url(finished))
    accepted_headers, accepted = ask(f"{like.url}/api/jobs/nothing", "POST")
    progress = {"done": 1000, "total": None, "unit": "steps", "message": ""}
    frame = {"type": "job", "job": document | {"status": "running", "progress": progress, "data": None}}
    return {
        "get": {"headers": _own(headers), "body": _encoded(document)},
        "post": {"headers": _own(accepted_headers), "body": _encoded(accepted)},
        "frame": _encoded(frame),
    }


def _own(headers: dict[str, str]) -> dict[str, str]:
    """Without those that aiohttp sets for everybody."""
    return {name: value for name, value in headers.items() if name not in ("Content-Length", "Date")}


def _encoded(document: dict[str, Any]) -> str:
    return json.dumps(document, separators=(",", ":"))


def _installed_kinds(folder: Path) -> Path:
    """A folder that Python takes for one with an installed package, of which there are only entry points."""
    info = folder / "site" / "kameo_bench-1.dist-info"
    info.mkdir(parents=True, exist_ok=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: kameo-bench\nVersion: 1\n")
    (info / "entry_points.txt").write_text(_ENTRY_POINTS)
    return info.parent
