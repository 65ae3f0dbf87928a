"""Job and queue entry: written together or not at all, whoever dies between the two."""

import asyncio
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import psycopg
import pytest
from procrastinate.schema import migrations_path
from structlog.testing import capture_logs

from kameo_async.engines.postgres.connections import Connections
from kameo_async.engines.postgres.queue import SWEEPER_LOCK
from kameo_async.engines.postgres.schema import MIGRATIONS, prepare
from tests.engine_suite.puppet import Puppet, in_time, started
from tests.postgres.conftest import ended, until
from tests.postgres.server import Server
from tests.postgres.walk import Walk

pytestmark = pytest.mark.database

Start = Callable[..., Any]

GATE = 4711
_WAIT_AT_GATE = f"""
CREATE FUNCTION kameo_async.wait_at_gate() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_advisory_xact_lock_shared({GATE});
    RETURN NEW;
END $$;
CREATE TRIGGER gate BEFORE {{when}} FOR EACH ROW EXECUTE FUNCTION kameo_async.wait_at_gate()
"""
_AT_GATE = (
    "SELECT pid FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND wait_event = 'advisory'"
    " AND datname = current_database()"
)
_QUEUED = "SELECT args->>'job_id' FROM procrastinate_jobs WHERE status = 'todo' ORDER BY priority DESC, id"
_PENDING = "SELECT job_id FROM job WHERE status = 'pending' ORDER BY sequence"

# All in one transaction.
_BY_HAND = (
    "DELETE FROM procrastinate_jobs WHERE queueing_lock = '%s';"
    " UPDATE procrastinate_jobs SET status = 'failed';"
    " INSERT INTO procrastinate_jobs (queue_name, task_name, queueing_lock, args)"
    """ VALUES ('test:walk', 'run', 'gone', '{"job_id": "gone"}')"""
)

ENTERING = "INSERT ON kameo_async.procrastinate_jobs"
STARTING = "UPDATE ON kameo_async.job"


@asynccontextmanager
async def gate(server: Server, url: str, when: str) -> AsyncIterator[Callable[[], Any]]:
    """Closed: who is about to write so waits at it; gives what waits until one does, with its backend."""
    server.execute(_WAIT_AT_GATE.format(when=when), url)
    with psycopg.connect(url) as keeper:
        keeper.execute("SELECT pg_advisory_xact_lock(%s)", (GATE,))

        async def arrival() -> int:
            async with asyncio.timeout(5):
                while not (waiting := server.execute(_AT_GATE, url)):
                    await asyncio.sleep(0.005)
            return int(waiting[0][0])

        yield arrival


async def _post(node: Any, key: str) -> int:
    """Starts a walk; gives the status, or 0 where the connection breaks."""
    headers = {"Idempotency-Key": key}
    try:
        async with (
            aiohttp.ClientSession(f"http://127.0.0.1:{node.ready}") as client,
            client.post("/api/jobs/walk", json={}, headers=headers) as answer,
        ):
            return answer.status
    except aiohttp.ClientError:
        return 0


async def test_a_web_killed_between_the_two_writes_loses_nothing(
    server: Server, start_node: Start, start_service: Start
) -> None:
    """The server finishes what was sent: job and entry are there, and the job runs once."""
    url = server.database()
    web = await start_node("web", url)
    async with gate(server, url, ENTERING) as arrival:
        posting = asyncio.ensure_future(_post(web, "k"))
        await arrival()
        web.signal(signal.SIGKILL)
        assert await in_time(posting) == 0
        assert server.execute(_PENDING, url) == server.execute(_QUEUED, url) == []
    async with asyncio.timeout(5):
        while not (pending := server.execute(_PENDING, url)):
            await asyncio.sleep(0.005)
    assert server.execute(_QUEUED, url) == pending
    service = await start_service(url, runs_jobs=True)
    job = await service.submit("walk", {}, key="k")
    assert [(job.job_id,)] == pending
    done = await ended(service, job)
    assert (done.status, done.attempt, (await service.list()).total) == ("success", 1, 1)
    assert server.execute(_QUEUED, url) == []


async def test_a_submit_cut_off_between_the_two_writes_is_not_there(
    server: Server, start_node: Start, start_service: Start
) -> None:
    """Neither the job nor its entry; the client is told, and comes again with its key."""
    url = server.database()
    web = await start_node("web", url)
    async with gate(server, url, ENTERING) as arrival:
        posting = asyncio.ensure_future(_post(web, "k"))
        server.execute(f"SELECT pg_terminate_backend({await arrival()})", url)
        assert await in_time(posting) == 503
    assert server.execute(_PENDING, url) == server.execute(_QUEUED, url) == []
    service = await start_service(url, runs_jobs=True)
    assert await _post(web, "k") == 202
    [job] = (await service.list()).jobs
    assert (await ended(service, job)).status == "success"


async def test_a_worker_killed_between_the_two_writes_leaves_the_job_in_the_queue(
    server: Server, start_node: Start, start_service: Start
) -> None:
    """It was taken out, and its start not written yet: another takes it, as a first attempt, at once."""
    url = server.database()
    web = await start_service(url)
    worker = await start_node("worker", url)
    async with gate(server, url, STARTING) as arrival:
        job = await web.submit("walk")
        await arrival()
        worker.signal(signal.SIGKILL)
        assert await worker.ended() == -signal.SIGKILL
    await start_node("worker", url)
    done = await ended(web, job)
    assert (done.status, done.attempt) == ("success", 1)
    assert server.execute(_QUEUED, url) == []


async def test_what_is_in_one_of_the_two_only_is_found(
    server: Server, url: str, start_service: Start
) -> None:
    """A job outside the queue runs, and an entry without a job goes; the log tells it."""
    web = await start_service(url, lease=0.3)
    job, other = await web.submit("walk", {"name": "a"}), await web.submit("walk", {"name": "b"})
    with capture_logs() as logs:
        server.execute(_BY_HAND % job.job_id, url)
        async with asyncio.timeout(5):
            while not any(log["event"] == "queue.swept" for log in logs):
                await asyncio.sleep(0.02)
    assert server.execute(_QUEUED, url) == [(job.job_id,), (other.job_id,)]
    [swept] = [log for log in logs if log["event"] == "queue.swept"]
    assert (swept["log_level"], swept["removed"], swept["entered"]) == ("warning", 2, 2)
    worker = await start_service(url, runs_jobs=True)
    assert [(await ended(worker, each)).status for each in (job, other)] == ["success"] * 2


async def test_an_entry_without_a_job_that_waits_is_passed_over(
    server: Server, url: str, start_service: Start
) -> None:
    """Before anything has looked after the queue: the worker throws it away and takes the next."""
    web, puppet = await start_service(url, Puppet()), Puppet()
    gone, job = [await web.submit("puppet", {"name": name}) for name in "ab"]
    with psycopg.connect(url) as sweeper:
        sweeper.execute("SELECT pg_advisory_xact_lock(%s)", (SWEEPER_LOCK,))
        server.execute("ALTER TABLE job DISABLE TRIGGER waits_otherwise", url)
        try:
            await web.cancel(gone.job_id)
        finally:
            server.execute("ALTER TABLE job ENABLE TRIGGER waits_otherwise", url)
        assert server.execute(_QUEUED, url) == [(gone.job_id,), (job.job_id,)]
        await start_service(url, puppet, runs_jobs=True)
        await in_time(puppet["b"].started.wait())
    assert puppet.order == ["b"]
    puppet["b"].finish()
    assert (await ended(web, job)).status == "success"
    assert (await web.get(gone.job_id)).status == "cancelled"
    assert server.execute(_QUEUED, url) == []


async def test_an_entry_of_a_job_that_runs_is_passed_over(
    server: Server, url: str, start_service: Start
) -> None:
    """However it came there: no second worker starts it."""
    puppet, idle = Puppet(), Puppet()
    worker = await start_service(url, puppet, runs_jobs=True, max_running=1)
    job = await started(worker, puppet)
    with psycopg.connect(url) as sweeper:
        sweeper.execute("SELECT pg_advisory_xact_lock(%s)", (SWEEPER_LOCK,))
        server.execute("SELECT procrastinate_defer_jobs_v1(array_agg(queue_entry(job))) FROM job", url)
        other = await start_service(url, idle, runs_jobs=True)
        async with asyncio.timeout(5):
            while server.execute(_QUEUED, url):
                await asyncio.sleep(0.01)
    puppet["a"].finish()
    assert (await ended(other, job)).attempt == 1
    assert idle.order == []


@pytest.mark.parametrize("is_lost", [True, False], ids=["lost", "handed back"])
async def test_an_entry_of_a_job_that_runs_is_in_nobodys_way(
    server: Server, url: str, start_service: Start, is_lost: bool
) -> None:
    """That job and others are found again when their worker is lost, or goes."""
    puppet = Puppet()
    worker = await start_service(url, puppet, runs_jobs=True, max_running=2, lease=60)
    jobs = [await started(worker, puppet, name) for name in "ab"]
    with psycopg.connect(url) as sweeper:
        sweeper.execute("SELECT pg_advisory_xact_lock(%s)", (SWEEPER_LOCK,))
        server.execute("SELECT procrastinate_defer_jobs_v1(array_agg(queue_entry(job))) FROM job", url)
        if is_lost:
            server.execute("UPDATE job SET worker_id = 'gone', lease_until = now() - interval '1 s'", url)
        else:
            await worker.close(0)
        web = await start_service(url, lease=0.3)
        for job in jobs:
            assert (await until(web, job, lambda job: job.status == "pending")).attempt == 2
        assert sorted(server.execute(_QUEUED, url)) == sorted((job.job_id,) for job in jobs)


async def test_a_job_that_another_holds_is_taken_later(
    server: Server, url: str, start_service: Start
) -> None:
    """Its row is locked, as by a cancel that is under way: what comes after it does not wait for it."""
    worker = await start_service(url)
    first, second = await worker.submit("walk"), await worker.submit("walk")
    with psycopg.connect(url) as other:
        other.execute("SELECT FROM kameo_async.job WHERE job_id = %s FOR UPDATE", (first.job_id,))
        worker = await start_service(url, runs_jobs=True, max_running=1)
        assert (await ended(worker, second, 4)).status == "success"
        assert server.execute(_QUEUED, url) == [(first.job_id,)]
    assert (await ended(worker, first)).status == "success"


async def test_a_job_that_is_cancelled_leaves_the_queue(
    server: Server, url: str, start_service: Start
) -> None:
    """In the same transaction; what waits stays, in its order."""
    web = await start_service(url)
    jobs = [await web.submit("walk") for _ in range(3)]
    await web.cancel(jobs[1].job_id)
    assert server.execute(_QUEUED, url) == [(jobs[0].job_id,), (jobs[2].job_id,)]


async def test_what_waits_again_goes_first(server: Server, url: str, start_service: Start) -> None:
    """Before what never ran."""
    web, puppet = await start_service(url, Puppet()), Puppet()
    worker = await start_service(url, puppet, runs_jobs=True, max_running=1)
    job = await started(web, puppet)
    waiting = await web.submit("puppet", {"name": "b"})
    assert server.execute(_QUEUED, url) == [(waiting.job_id,)]
    await worker.close(0)
    await until(web, job, lambda job: job.status == "pending")
    assert server.execute(_QUEUED, url) == [(job.job_id,), (waiting.job_id,)]


async def test_a_kind_may_have_a_long_name(url: str, start_service: Start) -> None:
    """Longer than procrastinate's name of a queue."""

    class Long(Walk):
        kind = "w" + "alk" * 50

    service = await start_service(url, Long(), runs_jobs=True)
    assert (await ended(service, await service.submit(Long.kind))).status == "success"


async def test_a_database_from_before_the_queue_goes_on(
    server: Server, start_service: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What waits in version 1 is in the queue of version 2, in its order."""
    url = server.database()
    monkeypatch.setattr("kameo_async.engines.postgres.schema.MIGRATIONS", MIGRATIONS[:1])
    await prepare(Connections(url))
    monkeypatch.undo()
    server.execute(
        "INSERT INTO job (job_id, kind, mode, params, status, revision, attempt, created_at, updated_at)"
        " SELECT n, 'walk', 'test', '{}', 'pending', 1, 1, now(), now() FROM generate_series(1, 3) n",
        url,
    )
    service = await start_service(url)
    assert server.execute(_QUEUED, url) == [("1",), ("2",), ("3",)]
    await start_service(url, runs_jobs=True)
    assert (await ended(service, await service.get("3"))).status == "success"


def test_procrastinates_tables_are_those_of_our_version_2() -> None:
    """A newer package may bring a migration, which then has to be a step of ours."""
    last = max(path.name for path in migrations_path.glob("*.sql"))
    assert last == "03.04.00_50_post_add_retry_failed_job_procedure.sql"
