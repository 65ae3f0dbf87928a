"""The archive from the command line and over HTTP, in real processes."""

import json
import re
import sqlite3
import time
import urllib.request
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from kameo_async.places import archive_file
from kameo_async.settings import Mode
from tests.processes import run, started
from tests.test_cli import running_sandbox

PACE = "20000"  # five and a half hours a second


@pytest.fixture(scope="module")
def moving(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mapping[str, str]]:
    """The settings of a sandbox in which time flies."""
    folder = tmp_path_factory.mktemp("sandbox")
    with running_sandbox(folder, "--no-two-factor", "--pace", PACE) as settings:
        yield settings


@pytest.fixture(scope="module")
def still(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mapping[str, str]]:
    """The settings of a sandbox in which nothing moves."""
    with running_sandbox(tmp_path_factory.mktemp("sandbox"), "--no-two-factor", "--pace", "0") as settings:
        yield settings


def archives(folder: Path) -> set[str]:
    """The names of all archives under a folder."""
    return {path.name for path in folder.rglob("*.archive*")}


def test_fetch_says_what_is_new(moving: Mapping[str, str], tmp_path: Path) -> None:
    """The second fetch has one line on stderr; `--changes` gives the details, and nothing else, on stdout."""
    first = run(tmp_path, "fetch", "--format", "json", **moving)
    assert (first.returncode, first.stderr) == (0, b"")
    assert json.loads(first.stdout)["changes"] == {"since": None, "new": [], "gone": [], "changed": []}
    second = run(tmp_path, "fetch", "--changes", "--format", "json", **moving)
    assert second.returncode == 0, second.stderr
    changes = json.loads(second.stdout)
    assert list(changes) == ["since", "new", "gone", "changed"]
    assert {"id", "field", "from", "to"} == set(changes["changed"][0])
    line = second.stderr.decode()
    counted = re.fullmatch(
        r"Since \d{4}-\d\d-\d\d \d\d:\d\d: (?:(\d+) new, )?(?:(\d+) gone, )?(\d+) changed\n", line
    )
    assert counted is not None, line
    told = [len(changes["new"]), len(changes["gone"]), len({one["id"] for one in changes["changed"]})]
    assert [int(count or 0) for count in counted.groups()] == told
    table = run(tmp_path, "fetch", "--changes", **moving)
    assert table.returncode == 0
    heading, *rows = table.stdout.decode().splitlines()
    assert heading.split() == ["Id", "Title", "Field", "From", "To"]
    assert {row.split()[0] for row in rows} <= {"new", "gone", "changed"}


def test_no_changes_exit_with_3(still: Mapping[str, str], tmp_path: Path) -> None:
    """Without changes `--changes` is silent, for cron, and plain `fetch` says that nothing is new."""
    for _ in range(2):  # the first time there is nothing to compare with
        done = run(tmp_path, "fetch", "--changes", "--format", "json", "--output", "changes.json", **still)
        assert (done.returncode, done.stdout, done.stderr) == (3, b"", b"")
    assert not (tmp_path / "changes.json").exists()
    assert run(tmp_path, "fetch", **still).stderr.endswith(b": nothing new\n")


def test_changes_are_no_spreadsheet(tmp_path: Path) -> None:
    """`--changes` comes as table or JSON; another format is one line and exit code 1."""
    done = run(tmp_path, "fetch", "--changes", "--format", "csv", TEST_MODE="1")
    assert (done.returncode, done.stderr) == (1, b"kameo-async: --changes comes as table or json\n")


@pytest.mark.parametrize(
    ("state", "mode", "name"),
    [
        ("live.sqlite3", "live", "live.archive.sqlite3"),
        ("sandbox.sqlite3", "sandbox", "sandbox.archive.sqlite3"),
        ("my.db", "live", "my.archive.db"),
        ("my.db", "test", "my.test.archive.db"),
        ("my", "sandbox", "my.sandbox.archive"),
    ],
)
def test_the_name_tells_the_mode(monkeypatch: pytest.MonkeyPatch, state: str, mode: Mode, name: str) -> None:
    """Modes never share an archive, also where one state file is named for all."""
    monkeypatch.delenv("KAMEO_BASE_URL", raising=False)
    monkeypatch.chdir("/")  # no `.env` of a developer
    assert archive_file(Path("/x") / state, mode) == Path("/x") / name


def test_real_and_invented_loans_never_mix(still: Mapping[str, str], tmp_path: Path) -> None:
    """Each mode has a file of its own, and so has a site that is not Kameo's."""
    run(tmp_path, "fetch", TEST_MODE="1")
    run(tmp_path, "fetch", **still)
    assert archives(tmp_path) == {"test.archive.sqlite3", "live.127.0.0.1.archive.sqlite3"}


def test_no_state_file_leaves_nothing(still: Mapping[str, str], tmp_path: Path) -> None:
    """`KAMEO_ASYNC_STATE_FILE=none` remembers nothing."""
    done = run(tmp_path, "fetch", KAMEO_ASYNC_STATE_FILE="none", **still)
    assert (done.returncode, done.stderr) == (0, b"")
    assert list(tmp_path.iterdir()) == []


def test_an_archive_that_cannot_be_used(still: Mapping[str, str], tmp_path: Path) -> None:
    """The loans come with a warning; what has changed is not known, which is an error, not "none"."""
    (tmp_path / "x.127.0.0.1.archive.db").mkdir()
    done = run(tmp_path, "fetch", KAMEO_ASYNC_STATE_FILE="x.db", **still)
    assert (done.returncode, b"were not remembered" in done.stderr) == (0, True)
    assert len(done.stdout.splitlines()) > 12
    done = run(tmp_path, "fetch", "--changes", KAMEO_ASYNC_STATE_FILE="x.db", **still)
    assert (done.returncode, done.stdout) == (1, b"")
    assert done.stderr.endswith(b"kameo-async: What has changed is not known\n")


def test_check_then_fetch_use_no_code_twice(tmp_path: Path) -> None:
    """`check` leaves in the archive which code it used, and nothing that tells whose."""
    with running_sandbox(tmp_path) as settings:
        _early_in_a_window()
        assert run(tmp_path, "check", **settings).returncode == 0
    [(account, step)] = _codes(tmp_path)
    assert step == int(time.time() // 30)
    assert re.fullmatch("[0-9a-f]{64}", account)


def _early_in_a_window() -> None:
    """A window of 30 s that ends in mid-test would make the next one right."""
    left = 30 - time.time() % 30
    if left < 3:
        time.sleep(left)


def _codes(folder: Path) -> list[Any]:
    [path] = folder.rglob("live.*.archive.sqlite3")
    connection = sqlite3.connect(path)
    try:
        return connection.execute("SELECT account, step FROM codes").fetchall()
    finally:
        connection.close()


def test_history_over_http_beside_a_running_fetch(tmp_path: Path) -> None:
    """`serve` and `fetch` share the archive at the same time; the history comes as JSON and as CSV."""
    with started(tmp_path, "serve", "--port", "0", TEST_MODE="1") as process:
        assert process.stdout is not None
        url = process.stdout.readline().decode().split()[-1].rstrip("/")
        assert run(tmp_path, "fetch", TEST_MODE="1").returncode == 0
        job = _done(f"{url}/api/jobs/loan-history?ids=2,1,7&from=2020-01-01T00:00:00Z")
        assert [row["title"] for row in job["data"]["rows"]] == ["Dummy Loan 1", "Dummy Loan 2"]
        with urllib.request.urlopen(f"{url}{job['links']['result']}?format=csv") as answer:
            heading = answer.read().decode("utf-8-sig").splitlines()[0]
        assert heading == "id,title,seen_at,subscribed_amount,funded_fraction,state"
        fetched = _done(f"{url}/api/jobs/fetch-loans")
        assert fetched["data"]["changes"]["since"] == job["data"]["rows"][0]["seen_at"]


def _done(url: str) -> dict[str, Any]:
    request = urllib.request.Request(url, method="POST", headers={"Prefer": "wait=20"})
    with urllib.request.urlopen(request) as answer:
        job: dict[str, Any] = json.load(answer)
    assert job["status"] == "success", job
    return job
