"""A PostgreSQL of the tests' own: made in a folder that goes with the session, on a free port of loopback."""

import asyncio
import itertools
import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest

from kameo_async.engines.postgres.connections import Connections
from kameo_async.engines.postgres.schema import prepare

_OPTIONS = {
    "fsync": "off",
    "max_connections": "200",
    "listen_addresses": "127.0.0.1",
    "shared_buffers": "64MB",
    "autovacuum_naptime": "5s",
}
_TABLES = (
    "job, procrastinate_jobs, procrastinate_events, procrastinate_periodic_defers,"
    " counted, removed, worker, throttle, login, codes, refusal,"
    " facts, archive_fetches, archive_sightings, archive_listed"
)


class Server:
    """The server's processes; it may be stopped and started again by a test. `options` are settings of it."""

    def __init__(self, folder: Path, options: Mapping[str, str] | None = None) -> None:
        self.folder = folder
        self._options = {**_OPTIONS, **(options or {})}
        self.port = _free_port()
        self._numbers = itertools.count(1)
        self._free: list[str] = []
        _run("initdb", "-D", str(self.data), "-U", "kameo", "-A", "trust", "-E", "UTF8", "--no-sync")

    @property
    def data(self) -> Path:
        return self.folder / "data"

    def url(self, name: str = "postgres", user: str = "kameo") -> str:
        return f"postgresql://{user}@127.0.0.1:{self.port}/{name}"

    def start(self, port: int | None = None) -> None:
        self.port = port or self.port
        options = [f"-c {name}={value}" for name, value in self._options.items()]
        options += [f"-c unix_socket_directories={self.folder}", f"-c port={self.port}"]
        log = str(self.folder / "log")
        _run("pg_ctl", "-D", str(self.data), "-w", "-l", log, "-o", " ".join(options), "start")

    @property
    def is_running(self) -> bool:
        return (self.data / "postmaster.pid").exists()

    def stop(self, mode: str = "fast") -> None:
        _run("pg_ctl", "-D", str(self.data), "-w", "-m", mode, "stop")

    @contextmanager
    def lent(self) -> Iterator[str]:
        """The address of a database with our schema and nothing in it, which others get afterwards."""
        url = self._free.pop() if self._free else self.database()
        _prepare(url)
        yield url
        self.execute(f"TRUNCATE {_TABLES} RESTART IDENTITY", url)
        self._free.append(url)

    def database(self, template: str = "template0") -> str:
        """The address of a new one."""
        name = f"test_{next(self._numbers)}"
        self.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
        return self.url(name)

    def execute(self, statement: str, url: str | None = None) -> list[tuple[Any, ...]]:
        with psycopg.connect(url or self.url(), autocommit=True) as connection:
            connection.execute("SET search_path TO kameo_async")
            cursor = connection.execute(statement)
            return cursor.fetchall() if cursor.description else []


@contextmanager
def running_server(**options: str) -> Iterator[Server]:
    """A server in a folder of its own."""
    with tempfile.TemporaryDirectory(prefix="kameo-pg-", dir="/tmp") as folder:
        _own(Path(folder))
        server = Server(Path(folder), options)
        server.start()
        try:
            yield server
        finally:
            server.stop("immediate")


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    """A server for all tests of the session that do not hurt it."""
    with running_server() as server:
        yield server


@pytest.fixture(scope="session")
def second_server() -> Iterator[Server]:
    """A server beside that one, to be hurt."""
    with running_server() as server:
        yield server


@pytest.fixture
def fragile_server(second_server: Server) -> Iterator[Server]:
    """A server that a test may stop, and that runs again for the next."""
    yield second_server
    if not second_server.is_running:
        second_server.start()


def _prepare(url: str) -> None:
    """In a thread: the tests' own loop may be running."""
    with ThreadPoolExecutor(1) as thread:
        thread.submit(lambda: asyncio.run(prepare(Connections(url)))).result()


def _run(program: str, *arguments: str) -> None:
    """As an unprivileged user where the tests are root's, whom PostgreSQL refuses."""
    as_user = ["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups"] if _is_root() else []
    command = [*as_user, str(_program(program)), *arguments]
    done = subprocess.run(
        command, cwd="/", stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=60
    )
    assert done.returncode == 0, done.stdout


def _program(name: str) -> Path:
    """Debian keeps them beside each other, a folder for each version, and none in the path."""
    found = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"))
    program = found[-1] if found else shutil.which(name)
    assert program is not None, f"{name} is not installed: apt-get install postgresql"
    return Path(program)


def _own(folder: Path) -> None:
    if _is_root():
        os.chown(folder, pwd.getpwnam("nobody").pw_uid, -1)


def _is_root() -> bool:
    return os.geteuid() == 0


def _free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])
