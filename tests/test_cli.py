"""The command line, as a user types it: real processes, real pipes, a real terminal."""

import csv
import io
import json
import os
import pty
import re
import select
import shlex
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import openpyxl
import pytest
from pydantic import SecretStr

from kameo_async.clock import SystemClock
from kameo_async.kameo.check import check
from kameo_async.kameo.config import KameoConfig
from kameo_async.sandbox.account import totp
from tests.processes import COMMAND, SECONDS, environment, run, started

CLEARED = "\x1b[?25h\r\x1b[1A\x1b[2K"  # a terminal's cursor is shown, and on an empty line


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mapping[str, str]]:
    """The settings of a sandbox where a login is not bound to a code every 30 s."""
    with running_sandbox(tmp_path_factory.mktemp("sandbox"), "--no-two-factor") as settings:
        yield settings


@contextmanager
def running_sandbox(folder: Path, *words: str) -> Iterator[dict[str, str]]:
    """A small and quick sandbox; gives the settings that it prints."""
    words = ("sandbox", "--latency", "0", "--pages", "2", "--rate-limit", "6000", *words)
    with started(folder, *words) as process:
        assert process.stdout is not None
        lines = [process.stdout.readline().decode() for _ in range(5)]
        words_of = [shlex.split(line.removeprefix("export "))[0].partition("=") for line in lines]
        yield {name: value for name, _, value in words_of}


def test_fetch_prints_a_table_and_nothing_else_to_stdout(tmp_path: Path) -> None:
    """`fetch` shows one line a loan on stdout."""
    done = run(tmp_path, "fetch", TEST_MODE="1")
    assert done.returncode == 0
    assert done.stderr == b""
    heading, first, second = done.stdout.decode().splitlines()
    assert heading.split()[:3] == ["Id", "Title", "Country"]
    assert re.split(r"\s{2,}", first.strip()) == ["1", "Dummy Loan 1", "SE", "100 000", "SEK", "7.5"]
    assert second.split()[0] == "2"


def test_fetch_json_is_the_result(tmp_path: Path) -> None:
    """`--format json` prints the result with its digits."""
    done = run(tmp_path, "fetch", "--format", "json", TEST_MODE="1")
    result = json.loads(done.stdout)
    assert [(loan["title"], loan["amount"]) for loan in result["loans"]] == [
        ("Dummy Loan 1", 100000),
        ("Dummy Loan 2", 250000),
    ]
    assert result["warnings"] == []


def test_fetch_writes_the_format_that_the_file_is_named_after(tmp_path: Path) -> None:
    """`--output loans.xlsx` is Excel, and leaves nothing beside it."""
    assert run(tmp_path, "fetch", "--output", "loans.xlsx", TEST_MODE="1").returncode == 0
    sheet = openpyxl.load_workbook(tmp_path / "loans.xlsx").active
    assert sheet is not None
    assert [sheet["B2"].value, sheet["C2"].value] == ["Dummy Loan 1", 100000]
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".loans")] == []


@pytest.mark.parametrize(
    ("output", "said"),
    [("nowhere/loans.csv", "nowhere/loans.csv: cannot be written (No such file"), ("", ".: cannot be")],
)
def test_a_file_that_cannot_be_written_is_one_line(tmp_path: Path, output: str, said: str) -> None:
    """Before anything is fetched, which without settings would fail: it is named, and the exit code is 1."""
    done = run(tmp_path, "fetch", "--output", output)
    assert done.returncode == 1
    assert done.stderr.decode().count("\n") == 1
    assert done.stderr.decode().startswith(f"kameo-async: {said}")


def test_what_is_no_file_is_only_written_to(tmp_path: Path) -> None:
    """A pipe or a device named by `--output` stays what it is."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    done = run(tmp_path, "fetch", "--format", "json", "--output", "pipe", TEST_MODE="1")
    assert (done.returncode, done.stdout) == (0, b""), done.stderr
    assert len(json.loads(os.read(reader, 65536))["loans"]) == 2
    assert pipe.is_fifo()
    os.close(reader)


def test_a_file_that_is_replaced_keeps_its_place_and_its_readers(tmp_path: Path) -> None:
    """In one step: who reads it has the old one whole; a link stays one, and nobody else may read it now."""
    loans = tmp_path / "loans.csv"
    loans.write_text("old")
    loans.chmod(0o600)
    (tmp_path / "latest.csv").symlink_to(loans)
    with loans.open() as reader:
        assert run(tmp_path, "fetch", "--output", "latest.csv", TEST_MODE="1").returncode == 0
        assert reader.read() == "old"
    assert list(tmp_path.glob(".*.tmp")) == []
    assert (tmp_path / "latest.csv").is_symlink()
    assert loans.read_bytes().count(b"Dummy Loan") == 2
    assert loans.stat().st_mode & 0o777 == 0o600


def test_fetch_logs_in_to_the_sandbox_and_reads_all_pages(sandbox: Mapping[str, str], tmp_path: Path) -> None:
    """The printed settings are all that a live fetch needs."""
    done = run(tmp_path, "fetch", "--format", "csv", **sandbox)
    assert done.returncode == 0, done.stderr
    rows = list(csv.DictReader(io.StringIO(done.stdout.decode("utf-8-sig"))))
    assert len(rows) == len({row["id"] for row in rows}) > 12


def test_settings_come_from_a_dotenv_file_and_secrets_from_files(
    sandbox: Mapping[str, str], tmp_path: Path
) -> None:
    """`.env` in the folder is read, and `KAMEO_PASSWORD_FILE` names a file with the password."""
    (tmp_path / "password").write_text(sandbox["KAMEO_PASSWORD"] + "\n")
    lines = [f"{name}='{value}'" for name, value in sandbox.items() if name != "KAMEO_PASSWORD"]
    (tmp_path / ".env").write_text("\n".join([*lines, "KAMEO_PASSWORD_FILE=password"]))
    done = run(tmp_path, "fetch", "--max-pages", "1", "--format", "json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["pages"] == 1


def test_missing_settings_are_named(tmp_path: Path) -> None:
    """A live fetch without settings fails with one line that names them."""
    done = run(tmp_path, "fetch")
    assert done.returncode == 1
    assert done.stdout == b""
    assert done.stderr.decode() == (
        "kameo-async: Configuration error: KAMEO_EMAIL and KAMEO_PASSWORD are not set\n"
    )


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("KAMEO_ASYNC_PORT", "many"),
        ("KAMEO_ASYNC_TOKEN", "short"),
        ("KAMEO_ASYNC_CORS_ORIGINS", "*"),
        ("KAMEO_ASYNC_CORS_ORIGINS", "http://loans.example:80000"),
        ("KAMEO_ASYNC_STATE_FILE", "."),
        ("KAMEO_ASYNC_STATE_FILE", ".."),
    ],
)
def test_a_wrong_setting_stops_the_start(tmp_path: Path, name: str, value: str) -> None:
    """One line names the setting; the exit code is 1."""
    done = run(tmp_path, "serve", **{name: value})
    assert done.returncode == 1
    assert re.fullmatch(f"kameo-async: {name}: [^\n]+\n", done.stderr.decode())


def test_a_bad_param_is_one_line(tmp_path: Path) -> None:
    """A country that is none is refused as the API refuses it."""
    done = run(tmp_path, "fetch", "--countries", "SE,XX", TEST_MODE="1")
    assert done.returncode == 1
    assert done.stderr.decode() == "kameo-async: Countries must be 'SE', 'NO' or 'DK'\n"


def test_check_tells_each_step(sandbox: Mapping[str, str], tmp_path: Path) -> None:
    """`check` names settings, clock, login and listing, and ends with 0."""
    done = run(tmp_path, "check", **sandbox)
    assert done.returncode == 0, done.stderr
    steps = [line.split()[1] for line in done.stdout.decode().splitlines() if line.startswith("ok")]
    assert steps == ["settings:", "clock:", "login:", "listing:"]
    assert sandbox["KAMEO_PASSWORD"].encode() not in done.stdout


@pytest.mark.parametrize(("seconds", "told"), [(90, "ahead of"), (-90, "behind"), (0, "agrees with")])
async def test_check_tells_how_far_the_clock_is_off(
    sandbox: Mapping[str, str], seconds: int, told: str
) -> None:
    """Against the Date that Kameo sends, which has whole seconds."""
    names: dict[str, Any] = {name.removeprefix("KAMEO_").lower(): value for name, value in sandbox.items()}
    config = KameoConfig(**names | {name: SecretStr(names[name]) for name in ("password", "totp_secret")})
    told_of = {step: detail async for step, detail in check(config, Skewed(seconds), _say_nothing)}
    assert re.fullmatch(rf"((89|90|91) s )?{told} Kameo's", told_of["clock"])
    assert told_of["listing"].endswith("loans read, 0 broken")


class Skewed(SystemClock):
    """A clock that somebody has set wrong."""

    def __init__(self, seconds: int) -> None:
        self._off = timedelta(seconds=seconds)

    def now(self) -> datetime:
        return super().now() + self._off


async def _say_nothing(_: str) -> None: ...


def test_check_names_what_is_missing(tmp_path: Path) -> None:
    """`check` without settings ends with 1 and the names."""
    done = run(tmp_path, "check")
    assert done.returncode == 1
    assert b"KAMEO_EMAIL and KAMEO_PASSWORD are not set" in done.stderr


def test_ask_prompts_for_password_and_code(tmp_path: Path) -> None:
    """`--ask` needs no secret in the settings and echoes no password; the bar makes room for the code."""
    with running_sandbox(tmp_path) as settings:
        _fetch_with_prompts(settings, tmp_path)


def _fetch_with_prompts(settings: Mapping[str, str], tmp_path: Path) -> None:
    asked = ("KAMEO_PASSWORD", "KAMEO_TOTP_SECRET")
    kept = {name: value for name, value in settings.items() if name not in asked}
    child, terminal = pty.fork()
    if child == 0:  # pragma: no cover - the other process
        os.chdir(tmp_path)
        words = [*COMMAND, "fetch", "--ask", "--format", "json", "--output", "loans.json"]
        os.execve(COMMAND[0], words, environment(tmp_path, TERM="xterm", **kept))
    code = totp(settings["KAMEO_TOTP_SECRET"], int(time.time() // 30))
    seen = _talk(terminal, {"Password": settings["KAMEO_PASSWORD"], "Code": code})
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0, seen
    assert settings["KAMEO_PASSWORD"] not in seen
    assert seen.partition("Code from the authenticator app: ")[0].endswith(CLEARED)
    assert json.loads((tmp_path / "loans.json").read_bytes())["loans"]


def _talk(terminal: int, answers: Mapping[str, str], end: bytes = b"\n") -> str:
    """Types each answer once its prompt has been seen, and `end`; gives all that was shown."""
    seen, waiting, deadline = "", dict(answers), time.monotonic() + SECONDS
    while time.monotonic() < deadline:
        if not select.select([terminal], [], [], SECONDS)[0]:
            break
        try:
            seen += os.read(terminal, 4096).decode(errors="replace")
        except OSError:  # the child has closed its side
            break
        for prompt in [prompt for prompt in waiting if prompt in seen]:
            os.write(terminal, waiting.pop(prompt).encode() + end)
    return seen


def test_who_is_asked_may_leave(tmp_path: Path) -> None:
    """Ctrl-C at the prompt ends with 130; where no terminal is, or it has closed, one line says so."""
    assert _asked(tmp_path, b"\x03")[0] == 130
    code, seen = _asked(tmp_path, b"\x04")
    assert code == 1
    assert "kameo-async: No password was given: --ask needs a terminal" in seen


def _asked(tmp_path: Path, answer: bytes) -> tuple[int, str]:
    """The exit code of `fetch --ask` whose first prompt gets these keys, and what was shown."""
    child, terminal = pty.fork()
    if child == 0:  # pragma: no cover - the other process
        os.chdir(tmp_path)
        os.execve(COMMAND[0], [*COMMAND, "fetch", "--ask"], environment(tmp_path))
    seen = _talk(terminal, {"Password": answer.decode()}, end=b"")
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), seen


def test_a_poor_terminal_is_enough(tmp_path: Path) -> None:
    """With stderr closed, and no letters but ASCII on stdout, the loans come all the same."""
    words = ["sh", "-c", 'exec "$@" 2>&-', "sh", *COMMAND, "fetch", "--sandbox", "--max-pages", "1"]
    env = environment(tmp_path, PYTHONIOENCODING="ascii")
    done = subprocess.run(words, cwd=tmp_path, env=env, stdout=subprocess.PIPE, timeout=SECONDS)
    assert done.returncode == 0
    assert len(done.stdout.splitlines()) == 13
    assert b"s?ker finansiering" in done.stdout


def test_progress_is_shown_on_a_terminal(tmp_path: Path) -> None:
    """On a terminal stderr has the phases of the job."""
    ours, theirs = pty.openpty()
    done = subprocess.run(
        [*COMMAND, "fetch", "--format", "json"],
        cwd=tmp_path,
        env=environment(tmp_path, TEST_MODE="1", TERM="xterm"),
        stdout=subprocess.PIPE,
        stderr=theirs,
        timeout=SECONDS,
    )
    os.close(theirs)
    assert done.returncode == 0
    shown = b""
    with suppress(OSError):  # how a terminal without a process ends
        while chunk := os.read(ours, 65536):
            shown += chunk
    os.close(ours)
    assert "page 1 of 1" in shown.decode()


def test_a_pipe_that_closes_early_is_no_traceback(sandbox: Mapping[str, str], tmp_path: Path) -> None:
    """`fetch | head -0` ends without a traceback."""
    with started(tmp_path, "fetch", "--format", "json", **sandbox) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        process.wait(SECONDS)
        assert process.stderr.read() == b""


def test_ctrl_c_ends_with_130(tmp_path: Path) -> None:
    """SIGINT in mid-fetch leaves at once, with 130 and no traceback."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"http://127.0.0.1:{silent.getsockname()[1]}"
        settings = {"KAMEO_EMAIL": "a@b.example", "KAMEO_PASSWORD": "x", "KAMEO_BASE_URL": address}
        with started(tmp_path, "fetch", **settings) as process, silent.accept()[0] as connection:
            connection.recv(1)
            process.send_signal(signal.SIGINT)
            process.wait(SECONDS)
            assert process.stderr is not None
            stderr = process.stderr.read()
    assert process.returncode == 130
    assert b"Traceback" not in stderr


def test_help_teaches_and_version_tells(tmp_path: Path) -> None:
    """`--help` names the commands and how to start; `--version` the version."""
    text = run(tmp_path, "--help").stdout.decode()
    for word in ("serve --sandbox", "check", "fetch", "sandbox", "worker", "migrate", "KAMEO_EMAIL"):
        assert word in text
    assert "\n  Fetch the loans now:         kameo-async fetch\n" in text
    text = run(tmp_path, "fetch", "--help").stdout.decode()
    assert "\n  For Excel:                   kameo-async fetch --output loans.xlsx\n" in text
    assert re.fullmatch(r"kameo-async, version \d+\.\d+\.\d+\n", run(tmp_path, "--version").stdout.decode())


@pytest.mark.parametrize(
    ("words", "told"), [(("--pace", "2"), b"--sandbox"), (("--sandbox", "--pace", "-1"), b"pace")]
)
def test_a_pace_that_makes_no_sense_is_told(tmp_path: Path, words: tuple[str, ...], told: bytes) -> None:
    """Only the sandbox's time can be hurried, and only forwards."""
    done = run(tmp_path, "serve", "--port", "0", *words)
    assert done.returncode == 2
    assert told in done.stderr.splitlines()[-1]


def test_a_port_that_is_taken_is_one_line(tmp_path: Path) -> None:
    """`serve` on a taken port says so and ends with 1."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        done = run(tmp_path, "serve", "--port", port)
    assert done.returncode == 1
    assert done.stderr.decode() == (
        f"kameo-async: KAMEO_ASYNC_HOST=127.0.0.1, KAMEO_ASYNC_PORT={port}: cannot be listened at "
        "(Address already in use)\n"
    )


def test_a_host_that_is_none_is_one_line(tmp_path: Path) -> None:
    """The setting is named where its name cannot be looked up."""
    done = run(tmp_path, "serve", KAMEO_ASYNC_HOST="no host", KAMEO_ASYNC_TOKEN="long-enough")
    assert done.returncode == 1
    assert done.stderr.decode().startswith("kameo-async: KAMEO_ASYNC_HOST=no host, ")
    assert done.stderr.decode().count("\n") == 1


@pytest.mark.parametrize("command", ["worker", "migrate"])
def test_what_needs_a_database_says_so(tmp_path: Path, command: str) -> None:
    """Without KAMEO_ASYNC_DATABASE_URL these commands name it and end with 1."""
    done = run(tmp_path, command)
    assert done.returncode == 1
    assert b"KAMEO_ASYNC_DATABASE_URL" in done.stderr


def test_an_unknown_fault_is_named(tmp_path: Path) -> None:
    """`sandbox --fault nonsense` lists the faults there are."""
    done = run(tmp_path, "sandbox", "--fault", "nonsense")
    assert done.returncode == 2
    assert b"maintenance" in done.stderr
