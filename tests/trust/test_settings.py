"""Settings: one that is wrong, or that would open a hole, is refused by one line that names it."""

import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from kameo_async.settings import KameoSettings, ServiceSettings, SettingsError, load
from tests.processes import COMMAND, SECONDS, environment, run
from tests.settings_table import README

ELEVEN_YEARS = "347000000"
MANY_DIGITS = "9" * 5000
TIMES = ("JOB_TTL_SECONDS", "REAP_INTERVAL_SECONDS", "JOB_TIMEOUT_SECONDS", "SHUTDOWN_GRACE_SECONDS")
FREE = {"KAMEO_EMAIL", "KAMEO_PASSWORD", "KAMEO_TOTP_SECRET", "KAMEO_ASYNC_STATE_FILE", "KAMEO_ASYNC_HOST"}
WRONG = [
    *[("KAMEO_BASE_URL", url) for url in ("www.kameo.se", "ftp://kameo.se", "http://me:marker@kameo.se")],
    ("KAMEO_BASE_URL", "http://kameo.se:80000"),
    ("KAMEO_API_URL", "https://api.kameo.se/v1?a=b"),
    ("KAMEO_USER_AGENT", "a\nb"),
    *[("KAMEO_CONNECT_TIMEOUT", seconds) for seconds in ("0", "inf", "301")],
    *[("KAMEO_READ_TIMEOUT", seconds) for seconds in ("-1", "nan", "5s")],
    ("KAMEO_MAX_REDIRECTS", "21"),
    ("KAMEO_REQUESTS_PER_MINUTE", "0"),
    ("KAMEO_MAX_CONCURRENCY", "65"),
    ("TEST_MODE", "perhaps"),
    ("ENVIRONMENT", "staging"),
    *[("KAMEO_ASYNC_PORT", port) for port in ("65536", "http", MANY_DIGITS)],
    *[("KAMEO_ASYNC_TOKEN", token) for token in ("short", "marker with a space", "marker-å-marker")],
    *[("KAMEO_ASYNC_CORS_ORIGINS", origin) for origin in ("*", "https://a.example/", "a.example", "null")],
    *[
        ("KAMEO_ASYNC_ALLOWED_HOSTS", host)
        for host in ("0.0.0.0", "*", "::", "[0::0]", "http://a.example", "a:80")
    ],
    ("KAMEO_ASYNC_MAX_RUNNING_JOBS", "0"),
    ("KAMEO_ASYNC_MAX_PENDING_JOBS", "-1"),
    ("KAMEO_ASYNC_MAX_KEPT_BYTES", "1.5"),
    ("KAMEO_ASYNC_MAX_WEBSOCKETS", "many"),
    *[("KAMEO_ASYNC_DATABASE_URL", url) for url in ("mysql://a:marker@b/c", "postgresql://a:marker@b:c/d")],
    ("KAMEO_ASYNC_LOG_FORMAT", "xml"),
    ("KAMEO_ASYNC_LOG_LEVEL", "loud"),
    *[(f"KAMEO_ASYNC_{name}", wrong) for name in TIMES for wrong in (ELEVEN_YEARS, "1e999", "nan", "-1")],
]


@pytest.fixture(autouse=True)
def bare(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """An environment and a folder without settings."""
    for name in names():
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)


def names() -> dict[str, type[KameoSettings | ServiceSettings]]:
    """Each setting by its name in the environment."""
    found: dict[str, type[KameoSettings | ServiceSettings]] = {}
    for model in (KameoSettings, ServiceSettings):
        for name, field in model.model_fields.items():
            found[str(field.validation_alias or f"{model.model_config['env_prefix']}{name}".upper())] = model
    return found


@pytest.mark.parametrize(
    ("name", "value"), [pytest.param(*each, id=f"{each[0]}={each[1][:30]}") for each in WRONG]
)
def test_a_wrong_setting_is_named(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    """Row 12, and times beyond ten years: one line, which holds nothing that could be secret."""
    monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError) as refused:
        load(names()[name])
    assert re.fullmatch(rf"{name}: [^\n]{{1,200}}", str(refused.value))
    assert "marker" not in str(refused.value)


def test_every_setting_can_be_wrong() -> None:
    """None is missing above but those that may be any text, and the host, which is wrong without a token."""
    assert {name for name, _ in WRONG} | FREE == names().keys()


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "somewhere.example", "192.0.2.1"])
def test_no_start_beyond_loopback_without_a_token(monkeypatch: pytest.MonkeyPatch, host: str) -> None:
    """Row 9: the token is named, because the host lets other machines in."""
    monkeypatch.setenv("KAMEO_ASYNC_HOST", host)
    with pytest.raises(SettingsError, match=f"^KAMEO_ASYNC_TOKEN: must be set, .*{re.escape(host)}"):
        load(ServiceSettings)


def test_ten_years_are_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    """A time that somebody may mean."""
    monkeypatch.setenv("KAMEO_ASYNC_JOB_TTL_SECONDS", "315360000")
    assert load(ServiceSettings).job_ttl_seconds == 315_360_000


def test_settings_show_no_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither as text nor as a representation."""
    for name in ("KAMEO_PASSWORD", "KAMEO_TOTP_SECRET", "KAMEO_ASYNC_TOKEN"):
        monkeypatch.setenv(name, "marker-of-this-test")
    monkeypatch.setenv("KAMEO_ASYNC_DATABASE_URL", "postgresql://me:marker@here/db")
    for model in (KameoSettings, ServiceSettings):
        settings = load(model)
        for text in (repr(settings), str(settings), str(settings.model_dump()), settings.model_dump_json()):
            assert "marker" not in text


SECRETS = ["KAMEO_PASSWORD", "KAMEO_TOTP_SECRET", "KAMEO_ASYNC_TOKEN", "KAMEO_ASYNC_DATABASE_URL"]


@pytest.mark.parametrize("name", SECRETS)
def test_secrets_come_from_files_too(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str) -> None:
    """The end of the line is none of the secret; the README names each."""
    field = name.removeprefix("KAMEO_ASYNC_").removeprefix("KAMEO_").lower()
    secret = "postgresql://me@here/db" if field == "database_url" else "long-enough"
    (tmp_path / "secret").write_text(f"{secret}\r\n")
    monkeypatch.setenv(f"{name}_FILE", "secret")
    assert getattr(load(names()[name]), field).get_secret_value() == secret
    assert f"`{name}_FILE`" in README.read_text()


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda path: path.unlink(), "cannot be read (No such file or directory)"),
        (lambda path: (path.unlink(), path.mkdir()), "cannot be read (Is a directory)"),
        (lambda path: path.write_bytes(b"marker\xff"), "is not UTF-8 text"),
        (lambda path: path.write_text("marker" * 1000), "is larger than 4096 bytes"),
    ],
)
def test_a_file_that_holds_no_secret_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, spoil: Callable[[Path], object], said: str
) -> None:
    """With its setting, and nothing of what is in it."""
    path = tmp_path / "secret"
    path.touch()
    spoil(path)
    monkeypatch.setenv("KAMEO_ASYNC_TOKEN_FILE", str(path))
    with pytest.raises(SettingsError) as refused:
        load(ServiceSettings)
    assert str(refused.value) == f"KAMEO_ASYNC_TOKEN_FILE: {path} {said}"


def test_a_secret_comes_from_one_place(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """One in a file and in the environment, or in `.env`, might be the wrong one."""
    (tmp_path / ".env").write_text("KAMEO_PASSWORD=marker")
    monkeypatch.setenv("KAMEO_PASSWORD_FILE", "nowhere")
    with pytest.raises(SettingsError, match=r"^KAMEO_PASSWORD: set either KAMEO_PASSWORD or .*, not both$"):
        load(KameoSettings)


def test_an_env_file_that_is_no_text_is_named(tmp_path: Path) -> None:
    """One line."""
    (tmp_path / ".env").write_bytes(b"KAMEO_PASSWORD=\xff")
    with pytest.raises(SettingsError, match=r"^\.env: [^\n]+$"):
        load(KameoSettings)


def test_what_would_open_a_hole_stops_the_start(tmp_path: Path) -> None:
    """One line and exit code 1."""
    done = run(tmp_path, "serve", "--port", "0", TEST_MODE="1", KAMEO_ASYNC_HOST="0.0.0.0")
    assert done.returncode == 1
    assert re.fullmatch(r"kameo-async: KAMEO_ASYNC_TOKEN: [^\n]+\n", done.stderr.decode())


def test_a_lenient_parser_stops_the_start(tmp_path: Path) -> None:
    """Without its C extensions aiohttp takes for HTTP what is none."""
    env = environment(tmp_path, TEST_MODE="1", AIOHTTP_NO_EXTENSIONS="1")
    words = [*COMMAND, "serve", "--port", "0"]
    done = subprocess.run(words, cwd=tmp_path, env=env, capture_output=True, timeout=SECONDS)
    assert (done.returncode, done.stdout) == (1, b"")
    assert re.fullmatch(r"kameo-async: aiohttp: [^\n]+\n", done.stderr.decode())
