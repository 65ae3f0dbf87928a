"""What a restart brings back, and what the journal does when the disk or the file fails it."""

import asyncio
import resource
import sqlite3
import stat
import sys
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from kameo_async.jobs.document import document
from kameo_async.jobs.errors import (
    JobFailed,
    JobNotFoundError,
    JournalError,
    KeyReusedError,
    UnavailableError,
)
from kameo_async.jobs.journal import Journal
from kameo_async.jobs.journal_rows import MIGRATIONS
from kameo_async.jobs.models import JobStatus
from kameo_async.jobs.service import JobLimits, JobService
from kameo_async.jobs.state_file import StateFile
from kameo_async.jobs.subscription import Expired
from tests.clock import FakeClock, idle
from tests.engine_suite.puppet import Puppet, closed, ended, in_time, started


class Machine:
    """One state file, and the processes that come and go on it."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "state" / "jobs.sqlite3"
        self.clock = FakeClock()
        self.puppet = Puppet()

    @asynccontextmanager
    async def life(self, **limits: Any) -> AsyncIterator[JobService]:
        """A service from its start to its orderly end."""
        self.puppet = Puppet()
        async with Journal.open(self.path, self.clock) as journal:
            service = JobService([self.puppet], JobLimits(**limits), self.clock, journal)
            async with service:
                try:
                    yield service
                finally:
                    await self.settled(journal)
                    await closed(service, self.clock)

    @asynccontextmanager
    async def cut_short(self, **limits: Any) -> AsyncIterator[JobService]:
        """A service whose file is taken as it is at the end, as after `kill -9`."""
        copy = self.path.with_name("copy.sqlite3")
        async with self.life(**limits) as service:
            yield service
            with closing(sqlite3.connect(self.path)) as now, closing(sqlite3.connect(copy)) as then:
                now.backup(then)
        for companion in ("-wal", "-shm"):
            self.path.with_name(self.path.name + companion).unlink(missing_ok=True)
        copy.rename(self.path)

    async def settled(self, journal: Journal) -> None:
        """Returns when all is on disk, where the disk takes it."""
        async with asyncio.timeout(10):
            while journal.is_busy and journal.is_writable:  # noqa: ASYNC110
                await asyncio.sleep(0.0005)
        await idle()

    async def recovered(self, service: JobService) -> None:
        """Returns once the service is ready again, with all the time that it takes."""
        async with asyncio.timeout(10):
            while not service.is_ready:
                await self.clock.advance(1)
                await asyncio.sleep(0.001)

    def rows(self) -> list[tuple[Any, ...]]:
        with closing(sqlite3.connect(self.path)) as connection:
            return connection.execute("SELECT job_id, status FROM jobs ORDER BY sequence").fetchall()


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    """A machine with an empty disk."""
    return Machine(tmp_path)


@contextmanager
def full_disk(path: Path) -> Iterator[None]:
    """No file may grow beyond what the write-ahead log has now; the kernel says so, as on a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (path.with_name(path.name + "-wal").stat().st_size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


async def test_finished_jobs_come_back_as_they_were(machine: Machine) -> None:
    """Document, order, key and cursor: nothing differs after the restart."""
    async with machine.life(max_running=2) as service:
        done = await started(service, machine.puppet, "å", request_id="r")
        await machine.puppet["å"].report(3, 7, unit="sidor", message="Sida 3")
        machine.puppet["å"].finish("ä" * 5000)
        await ended(service, done)
        failed = await started(service, machine.puppet, "failed", key="k")
        machine.puppet["failed"].throw(JobFailed("odd", "Nej.", retryable=True))
        await ended(service, failed)
        cancelled = await started(service, machine.puppet, "cancelled")
        await in_time(service.cancel(cancelled.job_id))
        before = (await service.list()).jobs
        cursor = (await service.list(limit=1)).next_cursor
        documents = [document(job) for job in before]
    async with machine.life() as service:
        after = (await service.list()).jobs
        assert [document(job) for job in after] == documents
        assert [(job.params, job.request_id) for job in after] == [
            (job.params, job.request_id) for job in before
        ]
        assert [job.job_id for job in (await service.list(cursor=cursor)).jobs] == [
            failed.job_id,
            done.job_id,
        ]
        assert (await service.submit("puppet", {"name": "failed"}, key="k")).job_id == failed.job_id
        with pytest.raises(KeyReusedError):
            await service.submit("puppet", {"name": "other"}, key="k")
        new = await service.submit("puppet")
        assert (await service.list()).jobs[0].job_id == new.job_id
        assert service.counts()["puppet", JobStatus.FAILED] == 1


async def test_unfinished_jobs_come_back_as_lost(machine: Machine) -> None:
    """Failed, retryable, with a revision above all that was seen; and so for good."""
    async with machine.cut_short(max_running=1) as service:
        running = await started(service, machine.puppet, "running", key="k")
        waiting = await service.submit("puppet", {"name": "waiting"})
        for n in range(150):
            await machine.puppet["running"].report(n)
            await machine.clock.advance(0.1)
            await asyncio.sleep(0.0002)
        seen = await in_time(service.wait(running.job_id, lambda job: job.revision > 140, 1e9))
    async with machine.cut_short() as service:
        documents = []
        for job, known in ((running, seen.revision), (waiting, 1)):
            lost: Any = await service.get(job.job_id)
            assert (lost.status, lost.failure.code, lost.failure.retryable) == ("failed", "worker_lost", True)
            assert lost.revision > known
            documents.append(document(lost))
        assert (await service.submit("puppet", {"name": "running"}, key="k")).job_id == running.job_id
        assert service.active_jobs == 0
    async with machine.life() as service:
        assert [document(await service.get(job.job_id)) for job in (running, waiting)] == documents


async def test_a_submit_is_on_disk_before_its_answer(machine: Machine) -> None:
    """And a terminal state before anybody sees it."""
    async with machine.life() as service:
        job = await service.submit("puppet")
        assert machine.rows() == [(job.job_id, None)]
        statuses = []

        class Reader:
            def notify(self, event: Any) -> None:
                statuses.append((event.status, machine.rows()[0][1]))

        service.hub.add(Reader())
        machine.puppet["a"].finish()
        await ended(service, job)
        assert statuses[-1] == ("success", "success")


@pytest.mark.parametrize(("gap", "kept"), [(39, True), (41, False), (-5000, True)])
async def test_the_rest_of_a_jobs_time_runs_on_over_the_gap(machine: Machine, gap: float, kept: bool) -> None:
    """By the wall clock, the only one over the gap, then by monotonic time; at most its whole time."""
    limits = {"ttl_seconds": 60, "reap_interval_seconds": 1}
    async with machine.life(**limits) as service:
        machine.puppet["a"].finish()
        job = await ended(service, await service.submit("puppet", key="k"))
        await machine.clock.advance(19)
    machine.clock.jump(gap)
    async with machine.life(**limits) as service:
        assert (await service.list()).total == kept
        machine.clock.jump(100_000)
        await machine.clock.advance(0.9 if gap > 0 else 59)
        assert (await service.list()).total == kept
        await machine.clock.advance(2)
        assert (await service.list()).total == 0
        assert (await service.submit("puppet", {"name": "b"}, key="k")).job_id != job.job_id
    assert len(machine.rows()) == 1


async def test_a_shorter_time_to_keep_holds_for_old_jobs_too(machine: Machine) -> None:
    """And new ones do not wait behind them."""
    async with machine.life(ttl_seconds=3600) as service:
        machine.puppet["a"].finish()
        await ended(service, await service.submit("puppet"))
    async with machine.life(ttl_seconds=10, reap_interval_seconds=1) as service:
        machine.puppet["a"].finish()
        await ended(service, await service.submit("puppet"))
        await machine.clock.advance(11)
        assert (await service.list()).total == 0


async def test_the_reaper_and_the_bytes_kept_remove_from_the_file_too(machine: Machine) -> None:
    """Over a restart too: with less room the oldest go at the start."""
    async with machine.life() as service:
        for name in "abc":
            machine.puppet[name].finish("x" * 1000)
            await ended(service, await service.submit("puppet", {"name": name}))
        last = (await service.list()).jobs[0]
    async with machine.life(max_kept_bytes=2000) as service:
        assert [job.job_id for job in (await service.list()).jobs] == [last.job_id]
        machine.puppet["d"].finish("x" * 1000)
        new = await ended(service, await service.submit("puppet", {"name": "d"}))
    assert machine.rows() == [(new.job_id, "success")]
    async with machine.life(ttl_seconds=10, reap_interval_seconds=1):
        await machine.clock.advance(20)
    assert machine.rows() == []


async def test_what_expires_leaves_the_file_before_more_does(machine: Machine) -> None:
    """So the file is never behind by more than a slice; on a full disk jobs expire all the same."""
    async with machine.life(ttl_seconds=10, reap_interval_seconds=1000) as service:
        for name in "abcd":
            machine.puppet[name].finish()
            await ended(service, await service.submit("puppet", {"name": name}))
        await machine.clock.advance(10)
        assert await in_time(service._store.expire(2)) == 2
        assert len(machine.rows()) == 2
        with full_disk(machine.path):
            assert await in_time(service._store.expire(1)) == 1
            assert (len(machine.rows()), (await service.list()).total) == (2, 1)
        await machine.recovered(service)
    assert len(machine.rows()) == 1


async def test_sequences_are_never_given_twice(machine: Machine) -> None:
    """A cursor from before the restart means the same after it, even when all jobs are gone."""
    async with machine.life(ttl_seconds=10, reap_interval_seconds=1) as service:
        for name in "abc":
            machine.puppet[name].finish()
            await ended(service, await service.submit("puppet", {"name": name}))
        cursor = (await service.list(limit=1)).next_cursor
        await machine.clock.advance(20)
    async with machine.life() as service:
        await service.submit("puppet")
        assert (await service.list(cursor=cursor)).jobs == ()


async def test_a_key_whose_old_job_came_back_belongs_to_the_new_one(machine: Machine) -> None:
    """A removal that was not written brings the old job back, but not its key."""
    async with machine.life(ttl_seconds=10_000) as service:
        machine.puppet["a"].finish()
        old = await ended(service, await service.submit("puppet", key="k"))
        await machine.clock.advance(100)
    with closing(sqlite3.connect(machine.path)) as connection, connection:
        columns = "kind, params, idempotency_key, created_at, ceiling"
        connection.execute(f"INSERT INTO jobs (job_id, {columns}) SELECT 'new', {columns} FROM jobs")
    async with machine.life(ttl_seconds=10_000, reap_interval_seconds=1) as service:
        assert (await service.submit("puppet", key="k")).job_id == "new"
        await machine.clock.advance(9950)
        with pytest.raises(JobNotFoundError):
            await service.get(old.job_id)
        assert (await service.submit("puppet", key="k")).job_id == "new"


async def test_a_full_disk_refuses_submits_and_nothing_else(machine: Machine) -> None:
    """One log line; reads go on; ends are held back, cancels refused; all is well once there is room."""
    async with machine.life(max_running=2, max_pending=2) as service:
        kept = await started(service, machine.puppet, "a")
        other = await started(service, machine.puppet, "b")
        with capture_logs() as logs, full_disk(machine.path):
            racing = [service.submit("puppet", {"name": "c"}, key="k") for _ in range(2)]
            answers = await in_time(asyncio.gather(*racing, return_exceptions=True))
            assert [type(answer) for answer in answers] == [UnavailableError] * 2
            for _ in range(5):
                with pytest.raises(UnavailableError) as raised:
                    await in_time(service.submit("puppet", {"name": "c"}, key="k"))
                assert raised.type is UnavailableError
            assert not service.is_ready
            machine.puppet["a"].finish()
            await idle()
            ending = await service.get(kept.job_id)
            assert ending.status == "running"
            for job in (kept, other):
                with pytest.raises(UnavailableError):
                    await in_time(service.cancel(job.job_id))
            assert await service.get(kept.job_id) is ending
            await machine.clock.advance(1)
            await asyncio.sleep(0.01)
            with pytest.raises(UnavailableError):
                await in_time(service.submit("puppet", {"name": "c"}, key="k"))
            assert (await service.list()).total == 2
            assert not service.is_ready
        with capture_logs() as later:
            await machine.recovered(service)
            assert (await ended(service, kept)).status == "success"
            assert (await in_time(service.cancel(other.job_id))).status == "cancelled"
            assert (await service.submit("puppet", {"name": "c"}, key="k")).status == "pending"
        assert [service.is_ready] == [True]
        assert len(machine.rows()) == 3
        assert [line["event"] for line in logs].count("journal.failed") == 1
        assert [line["event"] for line in later].count("journal.recovered") == 1


async def test_a_waiting_job_cancelled_on_a_full_disk_is_no_loss(machine: Machine) -> None:
    """The cancel is refused for now; the job does not start when its turn comes, and ends cancelled later."""
    async with machine.life(max_running=1) as service:
        running = await started(service, machine.puppet, "a")
        waiting = await service.submit("puppet", {"name": "b"})
        with capture_logs() as logs, full_disk(machine.path):
            with pytest.raises(UnavailableError):
                await in_time(service.cancel(waiting.job_id))
            machine.puppet["a"].finish()
            await idle()
        await machine.recovered(service)
        assert (await ended(service, waiting)).status == "cancelled"
        assert (await ended(service, running)).status == "success"
    assert "critical" not in [line["log_level"] for line in logs]
    assert machine.puppet.order == ["a"]


async def test_a_full_disk_with_nothing_to_write_is_seen_to_recover(machine: Machine) -> None:
    """The journal tries by itself, so that a service that gets no requests becomes ready again."""
    async with machine.life() as service:
        with full_disk(machine.path):
            with pytest.raises(UnavailableError):
                await in_time(service.submit("puppet"))
            await machine.clock.advance(1)
            await asyncio.sleep(0.01)
            assert not service.is_ready
        await machine.recovered(service)


async def test_a_close_on_a_full_disk_ends(machine: Machine) -> None:
    """What could not be written is found lost at the next start; nobody had seen its end."""
    async with machine.life() as service:
        job = await started(service, machine.puppet)
        with full_disk(machine.path):
            machine.puppet["a"].finish()
            with pytest.raises(UnavailableError):
                await in_time(service.submit("puppet"))
            assert await closed(service, machine.clock) == []
            assert (await service.get(job.job_id)).status == "running"
            await machine.clock.advance(0)
    async with machine.life() as service:
        assert (await service.list()).total == 1
        assert (await service.get(job.job_id)).is_terminal


async def test_progress_beyond_the_ceiling_waits_for_the_disk(machine: Machine) -> None:
    """No revision is shown that a restart could repeat."""
    async with machine.life() as service:
        job = await started(service, machine.puppet)
        with full_disk(machine.path):
            with pytest.raises(UnavailableError):
                await in_time(service.submit("puppet"))
            for n in range(300):
                await machine.puppet["a"].report(n)
                await machine.clock.advance(0.1)
            assert (await service.get(job.job_id)).revision == 100
        await machine.recovered(service)
        machine.puppet["a"].finish()
        assert (await ended(service, job)).progress.done == 299


async def test_only_the_owner_may_read_the_file(machine: Machine) -> None:
    """0600 the file and what SQLite lays beside it, 0700 the folder."""
    async with machine.life() as service:
        await service.submit("puppet")
        modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in machine.path.parent.iterdir()}
        assert set(modes.values()) == {0o600}
        assert len(modes) == 4
        assert stat.S_IMODE(machine.path.parent.stat().st_mode) == 0o700


async def test_a_second_process_does_not_start_and_names_the_first(machine: Machine) -> None:
    """A real process holds the file; once it is gone, by `kill -9`, the next one starts."""
    script = (
        "import asyncio, sys\n"
        "from pathlib import Path\n"
        "from kameo_async.jobs.journal import Journal\n"
        "async def main():\n"
        "    async with Journal.open(Path(sys.argv[1])):\n"
        "        print('held', flush=True)\n"
        "        await asyncio.sleep(60)\n"
        "asyncio.run(main())\n"
    )
    holder = await asyncio.create_subprocess_exec(
        sys.executable, "-c", script, str(machine.path), stdout=asyncio.subprocess.PIPE
    )
    try:
        assert holder.stdout is not None
        assert await in_time(holder.stdout.readline()) == b"held\n"
        with pytest.raises(
            JournalError, match=rf"jobs.sqlite3: is held by another process \(pid {holder.pid}\)"
        ):
            async with machine.life():
                pass
    finally:
        holder.kill()
        await holder.wait()
    async with machine.life() as service:
        assert service.is_ready


@pytest.mark.parametrize("damage", ["text", "page"])
async def test_a_broken_file_is_set_aside_and_its_name_told(machine: Machine, damage: str) -> None:
    """Never overwritten, also when it happens twice; the service starts with an empty one."""
    broken, told = [], []
    for _ in range(2):
        async with machine.life() as service:
            assert (await service.list()).total == 0
            for n in range(50):
                machine.puppet[str(n)].finish("x" * 1000)
                await ended(service, await service.submit("puppet", {"name": str(n)}))
        whole = machine.path.read_bytes()
        broken.append(
            b"not a database!!" + whole[16:] if damage == "text" else whole[:100] + b"\xff" * len(whole)
        )
        machine.path.write_bytes(broken[-1])
        with capture_logs() as logs:
            async with machine.life() as service:
                assert service.is_ready
                assert (await service.list()).total == 0
        (line,) = [line for line in logs if line["event"] == "journal.set_aside"]
        told.append(line["kept_as"])
        machine.path.unlink()
    asides = {str(aside): aside.read_bytes() for aside in machine.path.parent.glob("*.broken-*")}
    assert asides == dict(zip(told, broken, strict=True))


def test_a_name_that_is_taken_is_left_alone(tmp_path: Path) -> None:
    """Files that break within one second are all kept."""
    path, now = tmp_path / "jobs.sqlite3", datetime.now(UTC)
    for number in range(3):
        path.write_text(f"broken {number}")
        StateFile.open(path, MIGRATIONS, now).close()
    asides = [aside.read_text() for aside in tmp_path.glob("*.broken-*")]
    assert sorted(asides) == ["broken 0", "broken 1", "broken 2"]


@pytest.mark.parametrize("spoilt", ["status = 'odd'", "progress = '{'", "finished_at = 'noon'"])
async def test_damage_inside_a_row_is_damage_too(machine: Machine, spoilt: str) -> None:
    """No check of the file's pages finds it; the file is set aside, and the service starts."""
    async with machine.life() as service:
        machine.puppet["a"].finish()
        await ended(service, await service.submit("puppet"))
    with closing(sqlite3.connect(machine.path)) as connection, connection:
        connection.execute(f"UPDATE jobs SET {spoilt}")
    with capture_logs() as logs:
        async with machine.life() as service:
            assert (await service.list()).total == 0
            await service.submit("puppet")
    assert [line["event"] for line in logs].count("journal.set_aside") == 1


@pytest.mark.parametrize("spoil", ["folder", "newer", "file_as_folder"])
async def test_a_file_that_cannot_be_used_stops_the_start(machine: Machine, spoil: str) -> None:
    """With one line that names it, and the file as it was."""
    machine.path.parent.mkdir()
    if spoil == "folder":
        machine.path.mkdir()
    elif spoil == "newer":
        with closing(sqlite3.connect(machine.path)) as connection:
            connection.execute("PRAGMA user_version = 99")
    else:
        machine.path = machine.path.parent / "file" / "jobs.sqlite3"
        machine.path.parent.write_text("")
    with pytest.raises(JournalError) as raised:
        async with machine.life():
            pass
    assert str(raised.value).startswith(f"{machine.path}: ")
    assert "\n" not in str(raised.value)


def test_an_older_file_is_brought_up_to_date_step_by_step(tmp_path: Path) -> None:
    """From each older version, with what is in it; a step that fails leaves the version before it."""
    steps = ["CREATE TABLE t (a)", "ALTER TABLE t ADD b DEFAULT 7", "INSERT INTO t VALUES (3, 4)"]
    for version in range(len(steps) + 1):
        path = tmp_path / f"{version}.sqlite3"
        StateFile.open(path, steps[:version], datetime.now(UTC)).close()
        with pytest.raises(JournalError, match="syntax error"):
            StateFile.open(path, [*steps, "INSERT INTO t VALUES (5, 6); nonsense"], datetime.now(UTC))
        file = StateFile.open(path, steps, datetime.now(UTC))
        assert file.connection.execute("SELECT a, b FROM t").fetchall() == [(3, 4)]
        file.close()


@pytest.mark.parametrize(
    ("version", "told"), [(0, "holds the tables of another program"), (99, "was written by a newer version")]
)
async def test_a_database_of_another_program_is_left_alone(machine: Machine, version: int, told: str) -> None:
    """It is named, and stays as it was to the byte."""
    machine.path.parent.mkdir()
    with closing(sqlite3.connect(machine.path)) as connection:
        connection.execute("CREATE TABLE theirs (a)")
        connection.execute(f"PRAGMA user_version = {version}")
    before = machine.path.read_bytes(), machine.path.stat().st_mode
    with pytest.raises(JournalError, match=rf"jobs.sqlite3: {told}"):
        async with machine.life():
            pass
    assert (machine.path.read_bytes(), machine.path.stat().st_mode) == before


async def test_a_file_without_our_tables_is_named(machine: Machine) -> None:
    """One that says that it is of this version, but is not."""
    machine.path.parent.mkdir()
    with closing(sqlite3.connect(machine.path)) as connection:
        connection.execute(f"PRAGMA user_version = {len(MIGRATIONS)}")
    with pytest.raises(JournalError, match=r"jobs.sqlite3: cannot be used \(no such table"):
        async with machine.life():
            pass


async def test_a_replay_waits_for_no_disk(machine: Machine) -> None:
    """It starts nothing: it is answered while an end hangs on its way, and others wait behind it."""
    async with machine.life(max_running=1) as service:
        await started(service, machine.puppet, "a")
        for name in "bcd":
            await service.submit("puppet", {"name": name}, key=name)
        journal = service._store._journal  # type: ignore[attr-defined]
        hung = threading.Event()
        journal._worker.submit(hung.wait)
        try:
            machine.puppet["a"].finish()
            await idle()
            replay = asyncio.ensure_future(service.submit("puppet", {"name": "d"}, key="d"))
            await idle()
            assert replay.done()
        finally:
            hung.set()
        for name in "bcd":
            machine.puppet[name].finish()


async def test_the_first_version_opens_from_an_empty_file(machine: Machine) -> None:
    """A planted file of version 0 becomes one of this version."""
    machine.path.parent.mkdir()
    machine.path.touch(0o644)
    async with machine.life() as service:
        await service.submit("puppet")
        assert stat.S_IMODE(machine.path.stat().st_mode) == 0o600
    with closing(sqlite3.connect(machine.path)) as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (len(MIGRATIONS),)


def test_the_check_at_the_start_is_broken_off_in_time(tmp_path: Path) -> None:
    """A large file does not hold the start up, though damage in its last row may be overlooked then."""
    path, now = tmp_path / "large.sqlite3", datetime.now(UTC)
    numbers = "WITH n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 200000) SELECT i, hex(i) FROM n"
    schema = [f"CREATE TABLE t (a, b); INSERT INTO t {numbers}; INSERT INTO t VALUES (NULL, NULL)"]
    StateFile.open(path, schema, now).close()
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("PRAGMA writable_schema = 1")
        connection.execute("UPDATE sqlite_schema SET sql = 'CREATE TABLE t (a, b NOT NULL)'")
    for check_seconds, asides in ((0, 0), (60, 1)):
        StateFile.open(path, schema, now, check_seconds).close()
        assert len(list(tmp_path.glob("*.broken-*"))) == asides


async def test_listeners_are_told_of_jobs_that_came_back_and_expire(machine: Machine) -> None:
    """A job from before the restart expires like any other."""
    limits = {"ttl_seconds": 10, "reap_interval_seconds": 1}
    async with machine.life(**limits) as service:
        machine.puppet["a"].finish()
        job = await ended(service, await service.submit("puppet"))
    async with machine.life(**limits) as service:
        events = await service.subscribe()
        await machine.clock.advance(11)
        assert await in_time(anext(events)) == Expired(job.job_id)
