"""Kinds from elsewhere: a real package, installed into a fresh environment, served by a real process."""

import json
import os
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from websockets.sync.client import connect

from tests.test_cli import SECONDS, environment

ROOT = Path(__file__).parent.parent
QUIET = ("--quiet", "--disable-pip-version-check", "--no-index", "--no-deps", "--no-build-isolation")


def plugin_path(folder: Path) -> Path:
    """The little package installed into a folder of its own, for PYTHONPATH."""
    target = folder / "plugin"
    pip("install", "--target", target, source(folder))
    return target


def source(folder: Path) -> Path:
    """A copy of the package, so that building it leaves nothing in the checkout."""
    copy = folder / "source"
    copy.mkdir()
    for path in (ROOT / "tests" / "plugin").iterdir():
        if path.is_file():
            (copy / path.name).write_bytes(path.read_bytes())
    return copy


def pip(command: str, *words: str | Path, python: Path | None = None) -> None:
    """Without a network: what is needed to build is in this environment."""
    where = () if python is None else ("--python", str(python))
    call = [sys.executable, "-m", "pip", *where, command, *QUIET, *words]
    done = subprocess.run(call, capture_output=True, timeout=3 * SECONDS)
    assert done.returncode == 0, done.stderr.decode()


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Python of a fresh environment in which both packages are installed."""
    folder = tmp_path_factory.mktemp("fresh")
    subprocess.run(
        [sys.executable, "-m", "venv", "--without-pip", folder / "venv"], check=True, timeout=SECONDS
    )
    python = folder / "venv" / "bin" / "python"
    (site,) = (folder / "venv" / "lib").glob("python*/site-packages")
    (site / "borrowed.pth").write_text(f"{sysconfig.get_path('purelib')}\n{ROOT}")
    wheels = folder / "wheels"
    pip("wheel", "-w", wheels, source(folder))
    pip("install", *wheels.iterdir(), python=python)
    return python


@contextmanager
def serving(python: Path, folder: Path) -> Iterator[str]:
    """`kameo-async serve` by that Python; gives its address."""
    process = subprocess.Popen(
        [python, "-m", "kameo_async", "serve", "--port", "0"],
        cwd=folder,
        env=environment(folder, TEST_MODE="1"),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    try:
        assert process.stdout is not None
        yield process.stdout.readline().decode().split()[-1].rstrip("/")
    finally:
        process.terminate()
        process.wait(SECONDS)
        assert process.stdout is not None
        process.stdout.close()


@pytest.fixture(scope="module")
def address(python: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with serving(python, tmp_path_factory.mktemp("plugin")) as address:
        yield address


async def get(address: str, path: str, **headers: str) -> tuple[int, bytes]:
    async with aiohttp.ClientSession() as client, client.get(f"{address}{path}", headers=headers) as answer:
        return answer.status, await answer.read()


async def finished(address: str, kind: str, **params: Any) -> dict[str, Any]:
    async with (
        aiohttp.ClientSession() as client,
        client.post(f"{address}/api/jobs/{kind}", json=params, headers={"Prefer": "wait=20"}) as answer,
    ):
        assert answer.status == 200, await answer.text()
        document: dict[str, Any] = await answer.json()
        return document


async def test_its_route_runs_it(address: str) -> None:
    """A kind of another package is started and ends like one of ours."""
    job = await finished(address, "echo", text="hello there")
    assert (job["status"], job["data"]) == ("success", {"text": "hello there"})


async def test_its_schemas_and_documents_are_there(address: str) -> None:
    """`/api/kinds` and OpenAPI know it."""
    _, body = await get(address, "/api/kinds")
    kinds = {kind["kind"]: kind for kind in json.loads(body)["kinds"]}
    assert kinds["echo"]["params"]["properties"]["text"]["maxLength"] == 1000
    assert (kinds["echo"]["table"], kinds["words"]["table"]) == (None, "rows")
    _, body = await get(address, "/api/openapi.json")
    assert "/api/jobs/echo" in json.loads(body)["paths"]


async def test_its_table_comes_as_csv_and_what_is_none_does_not(address: str) -> None:
    """A table of a plugin is CSV; a kind without one answers 406."""
    job = await finished(address, "words", text="one two")
    status, body = await get(address, f"{job['links']['result']}?format=csv")
    assert (status, body.decode("utf-8-sig")) == (200, "n,word\r\n1,one\r\n2,two\r\n")
    job = await finished(address, "echo", text="one")
    assert (await get(address, f"{job['links']['result']}?format=csv"))[0] == 406


async def test_its_jobs_are_pushed(address: str) -> None:
    """A websocket of the `websockets` library gets the last frame and 1000."""
    job = await finished(address, "echo", text="one")
    with connect(f"{address.replace('http', 'ws')}{job['links']['events']}") as socket:
        frames = list(socket)
        assert json.loads(frames[-1])["job"]["data"] == {"text": "one"}
        assert socket.close_code == 1000


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        ("fetch-loans = kameo_taken:Taken", "'fetch-loans': the name is taken"),
        ("broken = kameo_taken:Nothing", "'broken' (kameo_taken:Nothing): cannot be loaded"),
        ("unnamed = kameo_taken:Unnamed", "a name matches [a-z][a-z0-9-]*"),
    ],
)
def test_a_kind_that_cannot_be_served_stops_the_start(tmp_path: Path, entry: str, said: str) -> None:
    """One line names the kind, and the exit code is 1."""
    info = tmp_path / "kameo_taken-0.1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: kameo-taken\nVersion: 0.1\n")
    (info / "entry_points.txt").write_text(f"[kameo_async.kinds]\n{entry}\n")
    (tmp_path / "kameo_taken.py").write_text(
        "from pydantic import BaseModel\n"
        "class Unnamed:\n"
        "    kind, title, description, Params, Result = 'No name', 't', 'd', BaseModel, BaseModel\n"
        "    async def run(self, params, report): ...\n"
        "class Taken(Unnamed):\n"
        "    kind = 'fetch-loans'\n"
    )
    done = subprocess.run(
        [sys.executable, "-m", "kameo_async", "serve", "--port", "0"],
        cwd=tmp_path,
        env=environment(tmp_path, TEST_MODE="1", PYTHONPATH=f"{tmp_path}{os.pathsep}{ROOT}"),
        capture_output=True,
        timeout=SECONDS,
    )
    assert done.returncode == 1
    assert done.stderr.decode().count("\n") == 1
    assert said in done.stderr.decode()
