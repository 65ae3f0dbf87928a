"""What the README shows is what there is."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.processes import SECONDS, environment, run, started
from tests.settings_table import README, table, written

TEXT = README.read_text()
HERE = "127.0.0.1:8000"


def python_block(marker: str) -> str:
    """The python block after an HTML comment."""
    match = re.search(rf"<!-- {marker} -->\n```python\n(.*?)```", TEXT, re.DOTALL)
    assert match is not None
    return match[1]


def commands() -> list[str]:
    """Every command of the README that asks the service, in its order."""
    fenced = re.findall(r"^(?:\$ )?((?:curl|websockets) [^\n]+)$", TEXT, re.MULTILINE)
    inline = re.findall(r"`(curl [^`]+)`", TEXT)
    return [*fenced, *inline]


def test_the_settings_table_is_that_of_the_models() -> None:
    """Every setting stands in the README with its default and meaning (`python -m tests.settings_table`)."""
    assert written() == table()


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A service in test mode; gives its host and port."""
    with started(tmp_path_factory.mktemp("readme"), "serve", "--port", "0", TEST_MODE="1") as process:
        assert process.stdout is not None
        yield process.stdout.readline().decode().split()[-1].removeprefix("http://").rstrip("/")


@pytest.fixture(scope="module")
def job(service: str) -> str:
    """The id of a job that has ended."""
    start = ["curl", "-sf", "-X", "POST", "-H", "Prefer: wait=20", f"http://{service}/api/jobs/fetch-loans"]
    answer = subprocess.run(start, capture_output=True, check=True, timeout=SECONDS)
    match = re.search(rb'"job_id":"([^"]+)"', answer.stdout)
    assert match is not None
    return match[1].decode()


@pytest.mark.parametrize("command", commands())
def test_each_command_works(command: str, service: str, job: str, tmp_path: Path) -> None:
    """A shell in which JOB is the job's id gets an answer to each, and no error."""
    here = re.sub(r"[0-9a-f]{8}-[0-9a-f-]{27}", job, command.replace(HERE, service))
    if "DELETE" in here:  # of a job that has ended: the documented 409
        assert b'"status":409' in _said(here, job, tmp_path)
    elif here.startswith("curl "):
        _said(here.replace("curl ", "curl -f ", 1), job, tmp_path)
    else:
        assert b"1000 (OK)" in _said(here, job, tmp_path)


def _said(command: str, job: str, folder: Path) -> bytes:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        ["sh", "-c", command],
        capture_output=True,
        timeout=SECONDS,
        cwd=folder,
        env={"PATH": path, "JOB": job},
        stdin=subprocess.DEVNULL,
    )
    assert done.returncode == 0, (command, done.stdout)
    return done.stdout


def test_the_script_without_http_runs(tmp_path: Path) -> None:
    """The two python blocks together print the job's way to success."""
    script = tmp_path / "script.py"
    script.write_text(python_block("the example of a kind") + python_block("jobs without HTTP"))
    done = subprocess.run(
        [sys.executable, script],
        capture_output=True,
        env=environment(tmp_path),
        timeout=SECONDS,
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.decode().splitlines()[-1].startswith("success Progress(done=4, total=4")


def test_the_commands_are_those_of_the_command_line(tmp_path: Path) -> None:
    """Every `kameo-async COMMAND` that the README names has its help."""
    commands = set(re.findall(r"kameo-async ((?:serve|fetch|check|sandbox|worker|migrate))\b", TEXT))
    assert commands >= {"serve", "fetch", "check", "sandbox"}
    for command in sorted(commands):
        assert run(tmp_path, command, "--help").returncode == 0


def test_the_files_that_it_links_to_are_there() -> None:
    """No link of the README leads nowhere in the project."""
    links = re.findall(r"\]\((?!https?:)([^)#]+)\)", TEXT)
    assert [link for link in links if not (README.parent / link).exists()] == []


def test_make_targets_that_it_names_are_there() -> None:
    """Every `make` target of the README is one of the Makefile's."""
    makefile = (README.parent / "Makefile").read_text()
    for target in re.findall(r"make ([a-z-]+)", TEXT):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target
