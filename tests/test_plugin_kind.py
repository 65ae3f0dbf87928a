"""Kinds from elsewhere: a real package, installed into a fresh environment, served by a real process."""

import json
import re
import subprocess
import sys
import sysconfig
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from websockets.sync.client import connect

from tests.processes import SECONDS, environment, run, started

ROOT = Path(__file__).parent.parent
QUIET = ("--quiet", "--disable-pip-version-check", "--no-index", "--no-deps", "--no-build-isolation")


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


CODE = """
from collections.abc import Callable
from pydantic import BaseModel

class Model(BaseModel):
    n: int = 1

class Unnamed:
    kind, title, description, Params, Result = 'No name', 't', 'd', Model, Model
    async def run(self, params, report): ...

class Taken(Unnamed):
    kind = 'fetch-loans'

class Twin(Unnamed):
    kind = 'twin'

class Secretive(Unnamed):
    kind = 'secretive'
    class Params(BaseModel):
        call: Callable[[], int]

class Wordy(Unnamed):
    def __init__(self):
        raise ValueError('first line\\nsecond line')

class Shut(Unnamed):
    kind = 'shut'
    async def __aenter__(self):
        raise OSError('no disk')
    async def __aexit__(self, *_): ...

class Gone(Unnamed):
    def __init__(self):
        raise SystemExit(0)
"""


def package(folder: Path, code: str, entries: str) -> None:
    """An installed package in `folder`: one module, `kameo_extra`, and its entry points."""
    info = folder / "kameo_extra-0.1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: kameo-extra\nVersion: 0.1\n")
    (info / "entry_points.txt").write_text(entries)
    (folder / "kameo_extra.py").write_text(code)


@pytest.mark.parametrize(
    ("entries", "said"),
    [
        ("a = kameo_extra:Taken", "kind 'fetch-loans': the name is taken"),
        ("a = kameo_extra:Twin\nb = kameo_extra:Twin", "kind 'twin': the name is taken"),
        ("a = kameo_extra:Nothing", "kind 'a' (kameo_extra:Nothing): cannot be loaded (AttributeError"),
        ("a = kameo_nowhere:Kind", "kind 'a' (kameo_nowhere:Kind): cannot be loaded (ModuleNotFoundError"),
        ("a = kameo_extra:Wordy", "cannot be loaded (ValueError: first line second line)"),
        ("a = kameo_extra:Gone", "kind 'a' (kameo_extra:Gone): cannot be loaded (SystemExit"),
        ("a = kameo_extra:Unnamed", "kind 'No name' (kameo_extra.Unnamed): a name matches [a-z][a-z0-9-]*"),
        ("a = kameo_extra:Shut", "kind 'shut': cannot be entered (OSError: no disk)"),
        ("a = kameo_extra:Secretive", "kind 'secretive': its models have no JSON Schema"),
    ],
)
def test_a_kind_that_cannot_be_served_stops_the_start(tmp_path: Path, entries: str, said: str) -> None:
    """One line names the kind, and the exit code is 1."""
    package(tmp_path, CODE, f"[kameo_async.kinds]\n{entries}\n")
    done = run(tmp_path, "serve", "--port", "0", TEST_MODE="1", PYTHONPATH=str(tmp_path))
    assert done.returncode == 1
    assert done.stderr.decode().count("\n") == 1, done.stderr.decode()
    assert said in done.stderr.decode()
    assert done.stdout == b""


async def test_the_example_of_the_readme_is_a_kind(tmp_path: Path) -> None:
    """What the README shows, its class and its entry point, is served as it stands."""
    readme = (ROOT / "README.md").read_text()
    blocks = re.findall(r"^```(?:python|toml)\n(.*?)^```$", readme, re.DOTALL | re.MULTILINE)
    (code,) = [block for block in blocks if "class Echo" in block]
    (entry,) = [block for block in blocks if "kameo_async.kinds" in block]
    offered = tomllib.loads(entry)["project"]["entry-points"]["kameo_async.kinds"]
    lines = [f"{name} = kameo_extra:{place.partition(':')[2]}" for name, place in offered.items()]
    package(tmp_path, code, "\n".join(["[kameo_async.kinds]", *lines]))
    with started(tmp_path, "serve", "--port", "0", TEST_MODE="1", PYTHONPATH=str(tmp_path)) as process:
        assert process.stdout is not None
        address = process.stdout.readline().decode().split()[-1].rstrip("/")
        assert (await finished(address, "echo", text="as shown"))["data"] == {"text": "as shown"}
        job = await finished(address, "echo", text=" ")
        assert (job["status"], job["error_code"], job["retryable"]) == ("failed", "nothing_said", False)
