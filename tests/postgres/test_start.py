"""How a process meets its database: what is wrong is one line that says what to do."""

import asyncio
import subprocess
import sys
from pathlib import Path

import pytest

from kameo_async.engines.postgres.connections import Connections
from kameo_async.engines.postgres.errors import DatabaseError
from kameo_async.engines.postgres.schema import MIGRATIONS, check_server, prepare
from kameo_async.settings import ServiceSettings, SettingsError, load
from tests import processes
from tests.postgres.server import Server

pytestmark = pytest.mark.database

ROOT = Path(__file__).parent.parent.parent
SECRET = "hunter22"


def run(*arguments: str, url: str, folder: Path) -> tuple[int, str]:
    """A command as a process; its exit code and what it says on stderr."""
    done = processes.run(folder, *arguments, KAMEO_ASYNC_DATABASE_URL=url, TEST_MODE="1")
    return done.returncode, done.stderr.decode()


@pytest.mark.parametrize(
    "url",
    [
        f"mysql://me:{SECRET}@here/db",
        f"me:{SECRET}@here/db",
        f"postgresql://me:{SECRET}@here:many/db",
        f"postgresql://me:{SECRET} @here/db",
        "loans",
    ],
)
def test_an_address_that_is_none_is_named(url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Without what stands in it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("KAMEO_ASYNC_DATABASE_URL", url)
    with pytest.raises(SettingsError, match=r"^KAMEO_ASYNC_DATABASE_URL: must be an address such as") as told:
        load(ServiceSettings)
    assert SECRET not in str(told.value)


def test_the_address_may_stand_in_a_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """As it holds a password."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "url").write_text("postgresql://me@here/db\n")
    monkeypatch.setenv("KAMEO_ASYNC_DATABASE_URL_FILE", str(tmp_path / "url"))
    settings = load(ServiceSettings)
    assert settings.database_url is not None
    assert settings.database_url.get_secret_value() == "postgresql://me@here/db"
    assert "here" not in repr(settings)


@pytest.mark.parametrize("command", ["migrate", "worker", "serve"])
def test_a_database_that_is_not_there_is_one_line(server: Server, tmp_path: Path, command: str) -> None:
    """Nor does its password reach the line."""
    url = server.url("nowhere").replace("kameo@", f"kameo:{SECRET}@")
    code, said = run(command, *(["--port", "0"] if command == "serve" else []), url=url, folder=tmp_path)
    assert code == 1
    assert said.count("\n") == 1
    assert said.startswith("kameo-async: KAMEO_ASYNC_DATABASE_URL: the database cannot be reached (")
    assert '"nowhere" does not exist' in said
    assert SECRET not in said


async def test_a_server_that_is_not_there_is_named() -> None:
    """A port on which nobody listens."""
    with pytest.raises(DatabaseError, match=r"^KAMEO_ASYNC_DATABASE_URL: .*refused") as told:
        await prepare(Connections("postgresql://me@127.0.0.1:1/db"))
    assert "\n" not in str(told.value)


async def test_a_user_without_rights_is_told_what_to_do(server: Server) -> None:
    """It cannot make the schema; once the owner has, it can work with what it was granted."""
    url = server.database()
    name = url.rpartition("/")[2]
    server.execute(f"CREATE USER modest_{name}")
    modest = server.url(name, user=f"modest_{name}")
    with pytest.raises(DatabaseError, match="let the owner run `kameo-async migrate`"):
        await prepare(Connections(modest))
    await prepare(Connections(url))
    with pytest.raises(
        DatabaseError, match=r"its user lacks a right .*GRANT USAGE ON SCHEMA kameo_async"
    ) as told:
        await prepare(Connections(modest))
    assert "\n" not in str(told.value)
    for grant in ("USAGE ON SCHEMA", "ALL ON ALL TABLES IN SCHEMA", "ALL ON ALL SEQUENCES IN SCHEMA"):
        server.execute(f"GRANT {grant} kameo_async TO modest_{name}", url)
    await prepare(Connections(modest))


async def test_a_user_without_rights_on_what_an_upgrade_brought_is_told(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its rights were on the tables of before; the table that it may not use is named."""
    url = server.database()
    name = url.rpartition("/")[2]
    server.execute(f"CREATE USER early_{name}")
    monkeypatch.setattr("kameo_async.engines.postgres.schema.MIGRATIONS", MIGRATIONS[:1])
    await prepare(Connections(url))
    for grant in ("USAGE ON SCHEMA", "ALL ON ALL TABLES IN SCHEMA", "ALL ON ALL SEQUENCES IN SCHEMA"):
        server.execute(f"GRANT {grant} kameo_async TO early_{name}", url)
    monkeypatch.undo()
    await prepare(Connections(url))
    with pytest.raises(DatabaseError, match=r"lacks a right \(permission denied for .*procrastinate_.*GRANT"):
        await prepare(Connections(server.url(name, user=f"early_{name}")))


def test_too_old_a_server_is_named() -> None:
    """With the version that is needed."""
    check_server(130_000)
    with pytest.raises(DatabaseError, match="PostgreSQL 12 is too old; 13 or newer is needed"):
        check_server(120_022)


async def test_a_newer_schema_is_left_alone(server: Server) -> None:
    """An older program says that it must be upgraded, and changes nothing."""
    url = server.database()
    await prepare(Connections(url))
    server.execute("UPDATE version SET version = version + 1", url)
    with pytest.raises(DatabaseError, match="of a newer kameo-async; this one knows") as told:
        await prepare(Connections(url))
    assert str(told.value).startswith(
        f"KAMEO_ASYNC_DATABASE_URL: the schema has version {len(MIGRATIONS) + 1}"
    )
    assert server.execute("SELECT version FROM version", url) == [(len(MIGRATIONS) + 1,)]


async def test_many_starts_at_once_migrate_once(server: Server) -> None:
    """Eight processes on an empty database; none fails, one does the work."""
    url = server.database()
    await asyncio.gather(*[prepare(Connections(url)) for _ in range(8)])
    assert server.execute("SELECT version FROM version", url) == [(len(MIGRATIONS),)]


async def test_a_migration_that_is_killed_leaves_nothing(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each step is whole or not there; the next start does it."""
    url = server.database()
    broken = ((*MIGRATIONS[0], "SELECT 1 / 0"), *MIGRATIONS[1:])
    monkeypatch.setattr("kameo_async.engines.postgres.schema.MIGRATIONS", broken)
    with pytest.raises(DatabaseError, match="the schema cannot be used"):
        await prepare(Connections(url))
    monkeypatch.undo()
    assert server.execute("SELECT to_regclass('kameo_async.job')", url) == [(None,)]
    await prepare(Connections(url))
    assert server.execute("SELECT count(*) FROM job", url) == [(0,)]


def test_without_the_extra_one_line_says_so(tmp_path: Path) -> None:
    """The service in process needs none of it."""
    (tmp_path / "psycopg.py").write_text("raise ImportError(name='psycopg')")
    environment = {"KAMEO_ASYNC_DATABASE_URL": "postgresql://here/db", "PYTHONPATH": f"{tmp_path}:{ROOT}"}
    command = [sys.executable, "-m", "kameo_async", "migrate"]
    done = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, timeout=30)
    assert (done.returncode, done.stderr.count(b"\n")) == (1, 1)
    assert b"needs the extra `kameo-async[postgres]`" in done.stderr


def test_in_process_nothing_of_it_is_imported(tmp_path: Path) -> None:
    """Neither the engine nor the driver."""
    script = (
        "import sys; from kameo_async.app import create_app;"
        "from kameo_async.settings import ServiceSettings;"
        "create_app(ServiceSettings(), mode='test');"
        "print([name for name in sys.modules if 'psycopg' in name or 'engines' in name])"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, capture_output=True, timeout=30)
    assert done.stdout == b"[]\n", done.stderr
