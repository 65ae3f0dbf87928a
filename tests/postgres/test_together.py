"""Several webs and workers on one database are one service."""

import asyncio
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest
from structlog.testing import capture_logs

from kameo_async.engines.postgres.removal import REAPER_LOCK
from kameo_async.jobs.document import document
from kameo_async.jobs.errors import JobFinishedError, JobNotFoundError, KeyReusedError, OverloadedError
from kameo_async.jobs.models import Job
from kameo_async.jobs.subscription import Expired
from tests.engine_suite.puppet import Puppet, in_time, started
from tests.postgres.conftest import ended, running, until
from tests.postgres.server import Server

pytestmark = pytest.mark.database

Start = Callable[..., Any]

_WAITS_FOR_A_ROW = (
    "SELECT pid FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
)


async def test_a_job_started_on_one_web_is_followed_on_another(url: str, start_service: Start) -> None:
    """By poll, long poll and subscription; the documents are equal to the byte, so the ETags are too."""
    one, other = await start_service(url), await start_service(url)
    events = await other.subscribe()
    job = await one.submit("walk", {"seconds": 0.3, "steps": 3, "name": "x" * 100_000})
    assert document(await other.get(job.job_id)) == document(job)
    own = await other.subscribe(job.job_id)
    await start_service(url, runs_jobs=True)
    done = await ended(other, job)
    assert document(done) == document(await one.get(job.job_id))
    revisions = [event.revision async for event in own]
    assert revisions == sorted(set(revisions))
    assert revisions[-1] == done.revision
    seen: list[Any] = []
    while not seen or not seen[-1].is_terminal:
        seen.append(await in_time(anext(events)))
    assert [event.revision for event in seen] == sorted({event.revision for event in seen})
    assert [job.job_id for job in (await one.list()).jobs] == [job.job_id]


async def test_a_change_is_seen_elsewhere_within_20_ms(url: str, start_service: Start) -> None:
    """From the commit to the listener of another process, in the median."""
    one, other = await start_service(url), await start_service(url)
    took: list[float] = []
    events = await other.subscribe()
    for _ in range(15):
        job = await one.submit("walk")
        committed = time.perf_counter()
        assert (await in_time(anext(events))).job_id == job.job_id
        took.append(time.perf_counter() - committed)
    assert sorted(took)[7] < 0.1  # on a machine that has other things to do too; `make bench` measures


async def test_a_lost_word_costs_a_second(server: Server, url: str, start_service: Start) -> None:
    """Without NOTIFY all is found by looking: new work, its end, and a cancel."""
    with speechless(server, url):
        web, _ = await start_service(url), await start_service(url, runs_jobs=True)
        begin = time.monotonic()
        job, long = await web.submit("walk"), await web.submit("walk", {"seconds": 60})
        done, _ = await asyncio.gather(ended(web, job), running(web, long))
        assert done.status == "success"
        assert (await in_time(web.cancel(long.job_id))).status == "cancelled"
        assert time.monotonic() - begin < 4 * 1.2


@contextmanager
def speechless(server: Server, url: str) -> Iterator[None]:
    """No word arrives."""
    server.execute(
        "ALTER FUNCTION say RENAME TO said;"
        "CREATE FUNCTION say(words text[]) RETURNS void LANGUAGE sql AS 'SELECT'",
        url,
    )
    try:
        yield
    finally:
        server.execute("DROP FUNCTION say; ALTER FUNCTION said RENAME TO say", url)


@pytest.mark.parametrize(
    ("limits", "early"),
    [({"ttl_seconds": 0.3, "reap_interval_seconds": 0.02}, False), ({"max_kept_bytes": 1}, True)],
)
async def test_a_lost_word_of_a_removal_costs_a_second_too(
    server: Server, url: str, start_service: Start, limits: dict[str, float], early: bool
) -> None:
    """What is gone cannot be looked at; who listens elsewhere is told all the same."""
    with speechless(server, url):
        web = await start_service(url)
        worker = await start_service(url, runs_jobs=True, **limits)
        events = await web.subscribe()
        first, _ = [await ended(worker, await worker.submit("walk")) for _ in range(2)]
        async with asyncio.timeout(2.5):
            while not isinstance(event := await anext(events), Expired):
                pass
    assert event == Expired(first.job_id, early)


async def test_one_key_over_all_webs_is_one_job(url: str, start_service: Start) -> None:
    """Twenty submits of one key on four webs at once; other params are refused everywhere."""
    webs = [await start_service(url) for _ in range(4)]
    submits = [web.submit("walk", {"name": "a"}, key="k") for web in webs * 5]
    assert len({job.job_id for job in await in_time(asyncio.gather(*submits))}) == 1
    for web in webs:
        with pytest.raises(KeyReusedError):
            await web.submit("walk", {"name": "b"}, key="k")


async def test_a_cancel_from_anywhere_answers_once_the_task_has_stopped(
    url: str, start_service: Start
) -> None:
    """Within two seconds; again it gives the same, and on a job that ended otherwise it is refused."""
    web, worker = (
        await start_service(url, puppet := Puppet()),
        await start_service(url, puppet, runs_jobs=True),
    )
    job = await started(web, puppet)
    begin = time.monotonic()
    cancelled = await in_time(web.cancel(job.job_id))
    assert (cancelled.status, puppet["a"].cancels) == ("cancelled", 1)
    assert time.monotonic() - begin < 2
    assert await web.cancel(job.job_id) is cancelled
    assert document(await worker.get(job.job_id)) == document(cancelled)
    waiting = await started(web, puppet, "b")
    puppet["b"].finish()
    await ended(web, waiting)
    with pytest.raises(JobFinishedError):
        await web.cancel(waiting.job_id)


async def test_500_cancels_against_finishes_flip_no_end(url: str, start_service: Start) -> None:
    """What a cancel or a listener was told stays so, on every process."""
    web, other = await start_service(url), await start_service(url)
    workers = [await start_service(url, runs_jobs=True, max_running=50) for _ in range(2)]
    told: dict[str, Job] = {}

    async def race(number: int) -> None:
        job = await web.submit("walk", {"seconds": 0.01 * (number % 5)})
        await asyncio.sleep(0.002 * (number % 11))
        try:
            told[job.job_id] = await (web, other)[number % 2].cancel(job.job_id)
        except JobFinishedError:
            told[job.job_id] = await web.get(job.job_id)

    for start in range(0, 500, 100):
        await asyncio.wait_for(asyncio.gather(*[race(start + number) for number in range(100)]), 30)
    assert len(told) == 500
    ends = {job.status for job in told.values()}
    assert ends == {"success", "cancelled"}
    for job in told.values():
        for service in (web, other, *workers):
            assert document(await service.get(job.job_id)) == document(job)


async def test_a_job_waits_for_a_worker_of_its_mode_and_kind(url: str, start_service: Start) -> None:
    """No other takes it, though some are alive; meanwhile warnings and the log say what is missing."""
    with capture_logs() as logs:
        web = await start_service(url, mode="live")
        await start_service(url, runs_jobs=True, mode="test")
        await start_service(url, Puppet(), runs_jobs=True, mode="live")
        job = await web.submit("walk")
        async with asyncio.timeout(5):
            while not web.warnings or len(web.workers) < 2:
                await asyncio.sleep(0.02)
    assert list(web.warnings) == ["1 job waits for a worker of mode live that takes walk, and none is alive"]
    assert "worker.missing" in [line["event"] for line in logs]
    assert web.workers == {"live": 1, "test": 1}
    assert (await web.get(job.job_id)).status == "pending"
    await start_service(url, runs_jobs=True, mode="live")
    assert (await ended(web, job)).status == "success"


async def test_waiting_is_bounded_overall_and_running_per_worker(url: str, start_service: Start) -> None:
    """Two webs, two workers with one slot each: two run, three wait, not one more, however they race."""
    puppet = Puppet()
    webs = [await start_service(url, puppet, max_pending=3) for _ in range(2)]
    for _ in range(2):
        await start_service(url, puppet, runs_jobs=True, max_running=1)
    first = [await started(webs[0], puppet, name) for name in "ab"]
    submits = [web.submit("puppet", {"name": "c"}) for web in webs * 5]
    answers = await in_time(asyncio.gather(*submits, return_exceptions=True))
    assert sum(isinstance(answer, Job) for answer in answers) == 3
    assert sum(isinstance(answer, OverloadedError) for answer in answers) == 7
    assert puppet.most_at_once == 2
    for name in "abc":
        puppet[name].finish()
    for job in (*first, *[answer for answer in answers if isinstance(answer, Job)]):
        await ended(webs[1], job)


async def test_one_process_at_a_time_removes_what_is_over(url: str, start_service: Start) -> None:
    """Three reapers; each job is told as expired once on each process, and is gone on all."""
    services = [
        await start_service(url, runs_jobs=True, ttl_seconds=0.3, reap_interval_seconds=0.1) for _ in range(3)
    ]
    gone: list[list[str]] = [[] for _ in services]

    class Gone:
        def __init__(self, into: list[str]) -> None:
            self._into = into

        def notify(self, event: object) -> None:
            if isinstance(event, Expired):
                self._into.append(event.job_id)

    for service, into in zip(services, gone, strict=True):
        service.hub.add(Gone(into))
    jobs = [await services[number % 3].submit("walk") for number in range(30)]
    async with asyncio.timeout(10):
        while any(len(into) < 30 for into in gone):
            await asyncio.sleep(0.02)
    assert [sorted(into) for into in gone] == [sorted(job.job_id for job in jobs)] * 3
    for service in services:
        with pytest.raises(JobNotFoundError):
            await service.get(jobs[0].job_id)
        assert (await service.list()).total == 0


async def test_room_that_was_not_made_at_an_end_is_made_by_the_reaper(
    server: Server, url: str, start_service: Start
) -> None:
    """As when another process was removing jobs just then."""
    limits = {"max_kept_bytes": 1, "reap_interval_seconds": 0.05}
    with psycopg.connect(url) as other:
        other.execute("SELECT pg_advisory_xact_lock(%s)", (REAPER_LOCK,))
        service = await start_service(url, runs_jobs=True, **limits)
        jobs = [await ended(service, await service.submit("walk")) for _ in range(2)]
        assert (await service.list()).jobs == tuple(jobs[::-1])
    async with asyncio.timeout(5):
        while (await service.list()).total > 1:
            await asyncio.sleep(0.01)
    assert (await service.get(jobs[1].job_id)).status == "success"


async def test_a_shutdown_ends_no_job(url: str, start_service: Start) -> None:
    """What runs goes back to wait with the next attempt; what waits is left alone."""
    web, puppet = await start_service(url), Puppet()
    worker = await start_service(url, puppet, runs_jobs=True, max_running=1)
    other = await start_service(url, puppet)
    job, waiting = await started(other, puppet), await other.submit("puppet", {"name": "b"})
    assert await worker.close(0) == []
    assert puppet["a"].cancels == 1
    back = await other.get(job.job_id)
    assert (back.status, back.attempt, back.started_at) == ("pending", 2, None)
    assert (await other.get(waiting.job_id)).revision == 1
    assert [job.job_id for job in (await web.list()).jobs] == [waiting.job_id, job.job_id]


async def test_many_jobs_are_counted_without_looking_at_them(
    server: Server, url: str, start_service: Start
) -> None:
    """The total is exact for any filter, and follows jobs that come, end and go."""
    web = await start_service(url)
    server.execute(
        "INSERT INTO job (job_id, kind, mode, params, status, revision, attempt, created_at, updated_at,"
        " finished_at, expires_at, result, size) SELECT gen_random_uuid(), 'walk', 'test', '{}',"
        " CASE WHEN n % 100 = 0 THEN 'failed' ELSE 'success' END, 3, 1, now(), now(), now(),"
        " now() + interval '1 hour', '{}', 1 FROM generate_series(1, 3000) n",
        url,
    )
    page = await web.list(limit=3)
    assert page.total == 3000
    assert (await web.list(status="failed")).total == 30
    await web.submit("walk")
    server.execute("DELETE FROM job WHERE status = 'failed' AND sequence < 1000", url)
    totals = [(await web.list(status=status)).total for status in (None, "pending", "failed", "success")]
    assert totals == [2992, 1, 21, 2970]
    assert (await web.list(kind="stroll")).total == 0
    older = await web.list(limit=3, cursor=page.next_cursor)
    assert not {job.job_id for job in page.jobs} & {job.job_id for job in older.jobs}


async def test_a_requeued_job_keeps_its_place(url: str, start_service: Start) -> None:
    """What was handed back runs before what came after it."""
    web, puppet = await start_service(url, Puppet()), Puppet()
    worker = await start_service(url, puppet, runs_jobs=True, max_running=1)
    first = await started(web, puppet, "a")
    second = await web.submit("puppet", {"name": "b"})
    await worker.close(0)
    again = Puppet()
    await start_service(url, again, runs_jobs=True, max_running=1)
    await in_time(again["a"].started.wait())
    again["a"].finish()
    again["b"].finish()
    await ended(web, second)
    assert again.order == ["a", "b"]
    assert (await until(web, first, lambda job: job.is_terminal)).attempt == 2


async def test_to_be_handed_back_is_no_loss(url: str, start_service: Start) -> None:
    """Workers may go more often than a job may be lost."""
    web, puppet = await start_service(url, Puppet()), Puppet()
    job = await web.submit("puppet")
    for attempt in range(1, 5):
        worker = await start_service(url, puppet, runs_jobs=True)
        await in_time(puppet["a"].started.wait())
        puppet["a"].started.clear()
        assert (await web.get(job.job_id)).attempt == attempt
        await worker.close(0)
    puppet["a"].finish()
    await start_service(url, puppet, runs_jobs=True)
    done = await ended(web, job)
    assert (done.status, done.attempt) == ("success", 5)


async def test_what_nobody_runs_is_lost_though_its_worker_lives(
    server: Server, url: str, start_service: Start
) -> None:
    """As after a claim whose commit was done and whose answer was cut off: it runs again."""
    puppet = Puppet()
    worker = await start_service(url, puppet, runs_jobs=True, max_running=1, lease=0.8)
    first = await started(worker, puppet, "a")
    orphan = await worker.submit("puppet", {"name": "b"})
    server.execute(
        "UPDATE job SET status = 'running', revision = 2, worker_id = (SELECT worker_id FROM worker),"
        f" lease_until = now() + interval '0.8 s', started_at = now() WHERE job_id = '{orphan.job_id}'",
        url,
    )
    back = await until(worker, orphan, lambda job: job.status == "pending", 5)
    assert (back.attempt, (await worker.get(first.job_id)).attempt) == (2, 1)


async def test_a_stricter_default_isolation_refuses_nothing(
    server: Server, url: str, start_service: Start
) -> None:
    """A database's default may be repeatable read, in which who waited for a row that changed must fail."""
    name = url.rpartition("/")[2]
    server.execute(f"ALTER DATABASE {name} SET default_transaction_isolation TO 'repeatable read'")
    try:
        web = await start_service(url)
        job = await web.submit("walk")
        with psycopg.connect(url) as other:
            other.execute("UPDATE kameo_async.job SET losses = 1")
            cancelling = asyncio.ensure_future(web.cancel(job.job_id))
            async with asyncio.timeout(5):
                while not server.execute(_WAITS_FOR_A_ROW, url):
                    await asyncio.sleep(0.005)
        assert (await in_time(cancelling)).status == "cancelled"
    finally:
        server.execute(f"ALTER DATABASE {name} RESET default_transaction_isolation")


async def test_a_restart_of_all_processes_loses_nothing(url: str, start_service: Start) -> None:
    """Ends, keys and what waits are in the database."""
    service = await start_service(url, runs_jobs=True)
    done = await ended(service, await service.submit("walk", {"name": "a"}, key="k"))
    await service.close()
    web = await start_service(url)
    waiting = await web.submit("walk")
    await web.close()
    again = await start_service(url, runs_jobs=True)
    assert document(await again.submit("walk", {"name": "a"}, key="k")) == document(done)
    assert (await ended(again, waiting)).status == "success"
    assert again.counts() == {("walk", "success"): 2}
