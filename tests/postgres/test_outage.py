"""PostgreSQL is gone for a while, in mid-job too: reads say so, sockets stay, nothing is lost."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import aiohttp
import psycopg
import pytest
from aiohttp import web
from structlog.testing import capture_logs

from kameo_async.app import create_app
from kameo_async.engines.postgres.connections import Connections
from kameo_async.engines.postgres.errors import DatabaseError
from kameo_async.engines.postgres.schema import prepare
from kameo_async.jobs.errors import UnavailableError
from kameo_async.jobs.models import JobStatus
from kameo_async.jobs.service import JobService
from kameo_async.settings import ServiceSettings
from kameo_async.web.protocol import Runner
from tests.engine_suite.puppet import Puppet, in_time, started
from tests.postgres.conftest import ended
from tests.postgres.server import Server
from tests.postgres.walk import Walk

pytestmark = pytest.mark.database

LEASE = 5.0
_OTHER = (
    "INSERT INTO job (job_id, kind, mode, params, status, revision, attempt, created_at, updated_at)"
    " VALUES (gen_random_uuid(), 'other', 'other', '{}', 'pending', 1, 1, now(), now())"
)


@asynccontextmanager
async def served(url: str, *, worker: bool = True) -> AsyncIterator[aiohttp.ClientSession]:
    """A client of a web that, as a worker, runs jobs too."""
    settings = ServiceSettings(database_url=url, shutdown_grace_seconds=0)
    runner = Runner(create_app(settings, mode="test", kinds=[Walk()], worker=worker))
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        async with aiohttp.ClientSession(f"http://127.0.0.1:{runner.addresses[0][1]}") as client:
            yield client
    finally:
        await runner.cleanup()


async def status(client: aiohttp.ClientSession, path: str, method: str = "GET") -> int:
    async with client.request(method, path) as answer:
        body = await answer.read()
        assert answer.status < 500 or "Retry-After" in answer.headers, body
        return answer.status


async def soon(holds: Callable[[], Any], seconds: float = 10) -> None:
    async with asyncio.timeout(seconds):
        while not await holds():
            await asyncio.sleep(0.05)


async def test_webs_say_so_and_go_on(fragile_server: Server) -> None:
    """503 on ready, submits and polls; a socket stays and gets the end; all is as before when it is back."""
    with capture_logs() as logs:
        async with served(fragile_server.database()) as client:
            async with client.post("/api/jobs/walk", json={"seconds": 1.5, "steps": 15}) as answer:
                job = await answer.json()
            async with client.ws_connect(job["links"]["events"]) as socket:
                reading = asyncio.ensure_future(_read(socket))
                await asyncio.to_thread(fragile_server.stop)
                await soon(lambda: _is(client, "/api/ready", 503))
                assert await status(client, "/api/jobs/walk", "POST") == 503
                assert await status(client, job["links"]["self"]) == 503
                assert await status(client, "/api/jobs") == 503
                assert await status(client, "/api/health") == 200
                await asyncio.sleep(0.5)  # beside what stop and start take
                await asyncio.to_thread(fragile_server.start)
                back = time.monotonic()
                await soon(lambda: _is(client, "/api/ready", 200))
                assert time.monotonic() - back < 3
                assert await status(client, "/api/jobs/walk", "POST") == 202
                frames = await in_time(reading)
                assert socket.close_code == 1000
    assert (frames[-1]["status"], frames[-1]["attempt"]) == ("success", 1)
    events = [line["event"] for line in logs if line["log_level"] in ("warning", "error")]
    assert events.count("database.lost") == 1
    assert events.count("database.recovered") == 1
    assert len([event for event in events if event != "http.answered"]) <= 4, events


async def _read(socket: aiohttp.ClientWebSocketResponse) -> list[Any]:
    """All frames up to the close, each as it comes: a close that is not answered is cut after a second."""
    return [frame.json()["job"] async for frame in socket]


async def _is(client: aiohttp.ClientSession, path: str, expected: int) -> bool:
    return await status(client, path) == expected


async def test_an_end_during_the_outage_is_kept(
    fragile_server: Server, start_service: Callable[..., Any]
) -> None:
    """It is written once the database is back; a submit meanwhile is refused, not half taken."""
    url = fragile_server.database()
    service = await start_service(url, puppet := Puppet(), runs_jobs=True)
    job = await started(service, puppet)
    await asyncio.to_thread(fragile_server.stop, "immediate")
    with pytest.raises(UnavailableError):
        await service.submit("puppet", {"name": "b"})
    assert not service.is_ready
    puppet["a"].finish("kept")
    await asyncio.to_thread(fragile_server.start)
    done = await ended(service, job)
    assert (done.status, done.result, done.attempt) == ("success", b'{"text":"kept"}', 1)
    assert (await service.list()).total == 1


async def test_a_database_that_takes_no_writes_is_away(
    server: Server, start_service: Callable[..., Any]
) -> None:
    """A standby, or what was the primary: told once, a start refused in a line, over when it writes again."""
    url = server.database()
    with capture_logs() as logs:
        service = await start_service(url, runs_jobs=True)
        with read_only(server, url):
            for _ in range(3):
                with pytest.raises(UnavailableError):
                    await service.submit("walk")
                assert not service.is_ready
            with pytest.raises(DatabaseError, match=r"cannot be reached .*read-only"):
                await prepare(Connections(url))
        assert (await ended(service, await service.submit("walk"))).status == "success"
    events = [line["event"] for line in logs]
    assert (events.count("database.lost"), events.count("database.recovered")) == (1, 1)


@contextmanager
def read_only(server: Server, url: str) -> Iterator[None]:
    """All who are connected are cut off, and may not write when they come back."""
    name = url.rpartition("/")[2]
    server.execute(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
    server.execute(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'")
    try:
        yield
    finally:
        server.execute(f"ALTER DATABASE {name} RESET default_transaction_read_only")


async def test_a_restart_longer_than_the_leases_loses_no_worker(
    fragile_server: Server, start_service: Callable[..., Any]
) -> None:
    """All leases are over when it is back; whoever starts then gives the workers time to be heard."""
    url, puppet = fragile_server.database(), Puppet()
    worker = await start_service(url, puppet, runs_jobs=True, lease=LEASE)
    job = await started(worker, puppet)
    await asyncio.to_thread(fragile_server.stop, "immediate")
    await asyncio.to_thread(fragile_server.start)
    with silence(fragile_server, url):
        await looked(await start_service(url, puppet, lease=LEASE), fragile_server, url)
    await heard(fragile_server, url)
    puppet["a"].finish()
    assert (await ended(worker, job)).attempt == 1


async def test_who_was_cut_off_itself_gives_the_others_time(
    server: Server, url: str, start_service: Callable[..., Any]
) -> None:
    """As when a switch was dead for longer than a lease: that nobody was heard meanwhile says nothing."""
    old = f"SELECT pg_postmaster_start_time() < now() - interval '{LEASE} s'"
    while server.execute(old) == [(False,)]:  # else its own start would be why nobody is judged
        await asyncio.sleep(0.05)
    web = await start_service(url, puppet := Puppet(), lease=LEASE)
    job = await started(await start_service(url, puppet, runs_jobs=True, lease=LEASE), puppet)
    with read_only(server, url), pytest.raises(UnavailableError):
        await web.list()
    with silence(server, url):
        await looked(web, server, url)
    await heard(server, url)
    puppet["a"].finish()
    assert (await ended(web, job)).attempt == 1


@contextmanager
def silence(server: Server, url: str) -> Iterator[None]:
    """No worker's beat comes through, and all leases are over."""
    with psycopg.connect(url) as connection:
        connection.execute("LOCK TABLE kameo_async.worker IN EXCLUSIVE MODE")
        server.execute("UPDATE job SET lease_until = now() - interval '1 s'", url)
        yield


async def looked(web: JobService, server: Server, url: str) -> None:
    """Returns after a whole look around: what came before the next is counted."""
    for number in (1, 2):
        server.execute(_OTHER, url)
        async with asyncio.timeout(5):
            while web.counts().get(("other", JobStatus.PENDING)) != number:
                await asyncio.sleep(0.01)


async def heard(server: Server, url: str) -> None:
    """Returns when the worker has its lease again."""
    async with asyncio.timeout(5):
        while server.execute("SELECT 1 FROM job WHERE lease_until > now()", url) == []:
            await asyncio.sleep(0.01)
