"""The archive's file: who may read it, several processes, damage, a full disk, used-up codes."""

# ruff: noqa: ASYNC240 - nobody else waits for the loop here

import asyncio
import json
import resource
import sqlite3
import stat
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest
import structlog

from kameo_async.kameo.archive import Archive, ArchiveError
from kameo_async.kameo.archive.sqlite import MIGRATIONS, SqliteDatabase
from tests.archived import HOUR, ago, fetches, loan
from tests.clock import FakeClock

STEP = 58_000_000


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the archive goes: a folder that is not there yet."""
    return tmp_path / "state" / "live.archive.sqlite3"


async def test_only_the_owner_reads_it(path: Path) -> None:
    """The folder is 0700, the files in it 0600."""
    async with fetches(path) as fetch:
        await fetch(loan(1))
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
        assert {stat.S_IMODE(file.stat().st_mode) for file in path.parent.iterdir()} == {0o600}
    assert [file.name for file in path.parent.iterdir()] == [path.name]


async def test_nothing_is_made_before_it_is_used(path: Path) -> None:
    """Opening and closing an archive touches no disk."""
    async with Archive(path, FakeClock()):
        pass
    assert not path.parent.exists()


async def test_little_of_the_file_is_held_in_memory(path: Path) -> None:
    """A quarter of a megabyte, however much was seen: a service that runs for months does not grow by it."""
    with closing(SqliteDatabase.open(path, FakeClock().now())) as database:
        assert database.query("PRAGMA cache_size") == [(-256,)]


@pytest.mark.parametrize("junk", [b"this is no database", b"SQLite format 3\0" + b"\xff" * 5000])
async def test_a_broken_file_is_set_aside(path: Path, junk: bytes) -> None:
    """The file is kept under a told name, byte for byte, and a new one begins."""
    path.parent.mkdir()
    path.write_bytes(junk)
    with structlog.testing.capture_logs() as logs:
        async with fetches(path) as fetch:
            assert (await fetch(loan(1))).changes.since is None
            assert (await fetch(loan(1))).changes.since is not None
    [line] = logs
    assert line["event"] == "archive.set_aside"
    assert Path(line["kept_as"]).read_bytes() == junk


async def test_damage_in_the_middle_is_found_while_it_runs(path: Path) -> None:
    """Pages that break under an open archive: the file is set aside, and the fetch is remembered anew."""
    async with fetches(path) as fetch:
        for number in range(300):
            await fetch(loan(number), whole=False)
    _break_pages(path)
    async with fetches(path) as fetch:
        assert (await fetch(loan(1))).changes.since is None
    assert len(list(path.parent.glob("*.broken-*"))) == 1


def _break_pages(path: Path) -> None:
    size = path.stat().st_size
    with path.open("r+b") as file:
        file.seek(4096)
        file.write(b"\xa5" * (size - 4096))


async def test_a_second_broken_file_takes_no_name_that_is_taken(path: Path) -> None:
    """What was set aside is never written over."""
    clock = FakeClock()
    path.parent.mkdir()
    for junk in (b"first", b"second"):
        path.write_bytes(junk * 1000)
        async with fetches(path, clock) as fetch:
            await fetch(loan(1), after=0)
    assert sorted(file.read_bytes()[:5] for file in path.parent.glob("*.broken-*")) == [b"first", b"secon"]


async def test_a_newer_file_is_left_alone(path: Path) -> None:
    """A file of a newer version is neither used nor set aside."""
    path.parent.mkdir()
    connection = sqlite3.connect(path)
    connection.execute(f"PRAGMA user_version = {len(MIGRATIONS) + 1}")
    connection.close()
    before = path.read_bytes()
    async with fetches(path) as fetch:
        with pytest.raises(ArchiveError, match="newer version"):
            await fetch(loan(1))
    assert path.read_bytes() == before
    assert not list(path.parent.glob("*.broken-*"))


async def test_a_place_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    """A folder in the file's place is told in one line, and works once it is gone."""
    place = tmp_path / "a.sqlite3"
    place.mkdir()
    async with fetches(place) as fetch:
        with pytest.raises(ArchiveError, match=r"^/\S+/a.sqlite3 cannot be used \(is a directory\)$"):
            await fetch(loan(1))
        place.rmdir()
        assert await fetch(loan(1))


async def test_a_full_disk_loses_one_fetch_only(path: Path) -> None:
    """What does not fit is not remembered, at all; when there is room again, it goes on."""
    async with fetches(path) as fetch:
        await fetch(loan(1))
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (path.stat().st_size, hard))
        try:
            with pytest.raises(ArchiveError, match="cannot be used"):
                await fetch(*(loan(number, teaser="x" * 500) for number in range(900)))
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        assert (await fetch(loan(2))).changes.since == ago(fetch.clock, 2 * HOUR)


def test_several_processes_at_once(path: Path) -> None:
    """Each fetch is remembered once and whole, in some order; of those that want one code, one gets it."""
    script = f"""
import asyncio, sys
from pathlib import Path
from kameo_async.clock import SystemClock
from kameo_async.kameo.archive import Archive, Visit
from tests.archived import loan
async def main():
    async with Archive(Path(sys.argv[1]), SystemClock()) as archive:
        for number in range(15):
            await archive.remember(Visit(("SE",), [loan(int(sys.argv[2]) + number)]))
        print([await archive.use_code("a", step) for step in range({STEP}, {STEP} + 15)])
asyncio.run(main())
"""
    words = [sys.executable, "-W", "error", "-c", script, str(path)]
    starts = ("0", "100", "200")
    processes = [subprocess.Popen([*words, start], stdout=subprocess.PIPE, text=True) for start in starts]
    answers = [json.loads(process.communicate()[0].lower()) for process in processes]
    assert [sum(taken) for taken in zip(*answers, strict=True)] == [1] * 15
    assert asyncio.run(_remembered(path)) == (45, 45)


def test_a_new_file_that_another_process_prepares(path: Path) -> None:
    """Its lock is waited for: the switch to WAL does not wait by itself."""
    path.parent.mkdir()
    with closing(sqlite3.connect(path, isolation_level=None)) as other, ThreadPoolExecutor() as threads:
        other.execute("BEGIN IMMEDIATE")
        opened = threads.submit(lambda: SqliteDatabase.open(path, FakeClock().now()).close())
        with pytest.raises(TimeoutError):
            opened.result(timeout=0.01)
        other.execute("ROLLBACK")
        opened.result()


async def _remembered(path: Path) -> tuple[int, int]:
    async with fetches(path) as fetch:
        return len(await fetch.history()), len((await fetch(countries=("SE",))).changes.gone)


# Codes


async def test_a_code_is_used_once(path: Path) -> None:
    """Also by another process, and by another account of one's own."""
    async with Archive(path, FakeClock()) as one, Archive(path, FakeClock()) as other:
        assert await one.use_code("a", STEP)
        assert not await other.use_code("a", STEP)
        assert not await other.use_code("a", STEP - 1)
        assert await other.use_code("b", STEP)
        assert await other.use_code("a", STEP + 1)
        assert not await one.use_code("a", STEP + 1)


async def test_a_clock_that_was_wrong_locks_nobody_out(path: Path) -> None:
    """A code used far in the future was used by a wrong clock, and counts no more."""
    async with Archive(path, FakeClock()) as archive:
        assert await archive.use_code("a", STEP + 1_000_000)
        assert await archive.use_code("a", STEP)
        assert not await archive.use_code("a", STEP)
