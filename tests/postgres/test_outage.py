"""PostgreSQL is gone for a while, in mid-job too: reads say so, sockets stay, nothing is lost."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from structlog.testing import capture_logs

from kameo_async.app import create_app
from kameo_async.engines.postgres.connections import Connections
from kameo_async.engines.postgres.errors import DatabaseError
from kameo_async.engines.postgres.schema import prepare
from kameo_async.jobs.errors import UnavailableError
from kameo_async.settings import ServiceSettings
from kameo_async.web.protocol import Runner
from tests.engine_suite.puppet import Puppet, in_time, started
from tests.postgres.conftest import ended, running
from tests.postgres.server import Server
from tests.postgres.walk import Walk

pytestmark = pytest.mark.database


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
    name = url.rpartition("/")[2]
    with capture_logs() as logs:
        service = await start_service(url, runs_jobs=True)
        server.execute(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
        server.execute(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'")
        for _ in range(3):
            with pytest.raises(UnavailableError):
                await service.submit("walk")
            assert not service.is_ready
        with pytest.raises(DatabaseError, match=r"cannot be reached .*read-only"):
            await prepare(Connections(url))
        server.execute(f"ALTER DATABASE {name} RESET default_transaction_read_only")
        assert (await ended(service, await service.submit("walk"))).status == "success"
    events = [line["event"] for line in logs]
    assert (events.count("database.lost"), events.count("database.recovered")) == (1, 1)


async def test_an_outage_longer_than_the_leases_loses_no_worker(
    fragile_server: Server, start_service: Callable[..., Any]
) -> None:
    """All leases are over when it is back; those who look for lost jobs give their workers time first."""
    url = fragile_server.database()
    web = await start_service(url, lease=1.0)
    workers = [await start_service(url, runs_jobs=True, lease=1.0) for _ in range(2)]
    jobs = [await running(web, await web.submit("walk", {"seconds": 4, "steps": 40})) for _ in range(3)]
    await asyncio.to_thread(fragile_server.stop, "immediate")
    await asyncio.sleep(2)
    await asyncio.to_thread(fragile_server.start)
    for job in jobs:
        done = await ended(web, job)
        assert (done.status, done.attempt) == ("success", 1)
    assert [(await in_time(worker.list())).total for worker in workers] == [3, 3]
