"""Real processes, real signals: what becomes of jobs whose worker dies, freezes or is told to go."""

import asyncio
import signal
import time
from collections.abc import Callable
from typing import Any

import aiohttp
import pytest

from kameo_async.engines.postgres.watch import LOOK_SECONDS
from kameo_async.jobs.models import JobStatus
from tests.postgres.conftest import ended, runner_of, running, until
from tests.postgres.server import Server
from tests.postgres.test_outage import served, status

pytestmark = pytest.mark.database

_HELD = "SELECT extract(epoch FROM lease_until - clock_timestamp())::float FROM job WHERE status = 'running'"
LONG = {"seconds": 60, "steps": 600}


async def test_a_killed_workers_job_runs_again_elsewhere(
    server: Server, url: str, start_node: Callable[..., Any], start_service: Callable[..., Any]
) -> None:
    """`kill -9` in mid-job: the next attempt starts once the lease is over, progress anew; it counts."""
    web = await start_service(url)
    nodes = await asyncio.gather(*[start_node("worker", url) for _ in range(2)])
    job = await running(web, await web.submit("walk", {"seconds": 1, "steps": 10}))
    first, second = sorted(nodes, key=lambda node: node.pid != runner_of(job))
    first.signal(signal.SIGKILL)
    killed = time.monotonic()
    again = await until(web, job, lambda job: job.attempt == 2)
    assert time.monotonic() - killed < 1.2 + 1.5
    assert again.status == JobStatus.PENDING or again.progress is None or runner_of(again) == second.pid
    done = await ended(web, job)
    assert (done.status, done.attempt) == ("success", 2)
    assert f'"pid":{second.pid}'.encode() in (done.result or b"")
    assert server.execute("SELECT losses FROM job", url) == [(1,)]


async def test_a_killed_worker_is_noticed_within_15_seconds(server: Server, url: str) -> None:
    """With the lease of the commands, of whose end the next look or the one after it tells."""
    async with served(url) as client:
        assert await status(client, "/api/jobs/walk?seconds=60", "POST") == 202
        async with asyncio.timeout(5):
            while not (left := server.execute(_HELD, url)):
                await asyncio.sleep(0.01)
    assert 10 < left[0][0] <= 15 - 2 * LOOK_SECONDS


async def test_a_job_lost_three_times_fails(
    server: Server, url: str, start_node: Callable[..., Any], start_service: Callable[..., Any]
) -> None:
    """Its worker may be the reason: after the third loss it ends as `worker_lost`, retryable."""
    web = await start_service(url)
    worker = await start_node("worker", url)
    job = await running(web, await web.submit("walk", LONG))
    server.execute("UPDATE job SET losses = 2", url)
    worker.signal(signal.SIGKILL)
    lost = await ended(web, job)
    assert (lost.status, lost.attempt) == ("failed", 1)
    assert lost.failure is not None
    assert (lost.failure.code, lost.failure.retryable) == ("worker_lost", True)


async def test_a_frozen_worker_that_wakes_writes_nothing(
    url: str, start_node: Callable[..., Any], start_service: Callable[..., Any]
) -> None:
    """SIGSTOP longer than its lease: its job is another's, and what it does after SIGCONT changes nothing."""
    web = await start_service(url)
    nodes = await asyncio.gather(*[start_node("worker", url) for _ in range(2)])
    job = await running(web, await web.submit("walk", {"seconds": 1, "steps": 10}))
    frozen, other = sorted(nodes, key=lambda node: node.pid != runner_of(job))
    frozen.signal(signal.SIGSTOP)
    await until(web, job, lambda job: job.attempt == 2 and job.progress is not None)
    frozen.signal(signal.SIGCONT)
    done = await ended(web, job)
    assert (done.status, done.attempt) == ("success", 2)
    assert f'"pid":{other.pid}'.encode() in (done.result or b"")
    frozen.signal(signal.SIGTERM)
    assert await frozen.ended() == 0
    assert await web.get(job.job_id) is done
    assert "job.taken_away" in frozen.events()


async def test_a_worker_told_to_go_hands_its_jobs_back(
    url: str, start_node: Callable[..., Any], start_service: Callable[..., Any]
) -> None:
    """SIGTERM: what ends in the grace ends, the rest goes back to wait, and that is no loss."""
    web = await start_service(url)
    worker = await start_node("worker", url, slots=2)
    long = await running(web, await web.submit("walk", LONG))
    short = await running(web, await web.submit("walk", {"seconds": 0.2}))
    waiting = await web.submit("walk", {})
    worker.signal(signal.SIGTERM)
    assert await worker.ended() == 0
    assert (await ended(web, short)).status == "success"
    back = await until(web, long, lambda job: job.status == "pending")
    assert (back.attempt, back.progress, back.started_at) == (2, None, None)
    assert (await web.get(waiting.job_id)).attempt == 1
    assert await _soon(lambda: web.workers == {})
    assert await _soon(lambda: bool(web.warnings))
    await start_node("worker", url, slots=2)
    assert (await ended(web, waiting)).status == "success"
    assert (await running(web, long)).attempt == 2


async def test_a_killed_web_leaves_its_jobs_running(
    url: str, start_node: Callable[..., Any], start_service: Callable[..., Any]
) -> None:
    """Another web follows them to their end."""
    web = await start_service(url)
    await start_node("worker", url)
    node = await start_node("web", url)
    async with aiohttp.ClientSession(f"http://127.0.0.1:{node.ready}") as client:
        async with client.post("/api/jobs/walk", json={"seconds": 0.5, "steps": 5}) as answer:
            assert answer.status == 202
            job = await web.get((await answer.json())["job_id"])
        node.signal(signal.SIGKILL)
    assert (await ended(web, job)).status == "success"


async def test_a_cancel_of_a_lost_job_is_answered(
    url: str, start_node: Callable[..., Any], start_service: Callable[..., Any]
) -> None:
    """Its worker is dead: it ends as cancelled, and does not run again."""
    web = await start_service(url)
    worker = await start_node("worker", url)
    job = await running(web, await web.submit("walk", LONG))
    worker.signal(signal.SIGKILL)
    cancelled = await asyncio.wait_for(web.cancel(job.job_id), 5)
    assert (cancelled.status, cancelled.attempt, cancelled.failure) == ("cancelled", 1, None)


async def _soon(holds: Callable[[], bool]) -> bool:
    async with asyncio.timeout(5):
        while not holds():
            await asyncio.sleep(0.02)
    return True
