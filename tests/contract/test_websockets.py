"""Websockets, by the `websockets` library: frames, `since`, close codes, refusals before the upgrade."""

import asyncio
import json
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed

from kameo_async.jobs.store import MemoryJobStore
from tests.clock import idle
from tests.contract.asking import opened, until
from tests.service import Service, running_service


async def frames(socket: ClientConnection) -> list[dict[str, Any]]:
    """All that comes until the service closes."""
    return [json.loads(message) async for message in socket]


async def frame(socket: ClientConnection) -> dict[str, Any]:
    message = await asyncio.wait_for(socket.recv(), 5)
    assert isinstance(message, str)
    received: dict[str, Any] = json.loads(message)
    return received


async def test_a_jobs_socket_tells_all_of_it(service: Service) -> None:
    """The job as it is, each newer revision, last the terminal one, then 1000."""
    job = await service.running()
    async with opened(service, job["links"]["events"]) as socket:
        assert socket.response is not None
        assert socket.response.headers["X-Request-ID"]
        first = await frame(socket)
        assert first == {"type": "job", "job": await service.get(job)}
        await service.gate.reports["one"](1, 2)
        assert (await frame(socket))["job"]["progress"]["done"] == 1
        service.gate.gate().set()
        (last,) = await frames(socket)
        assert (last["job"]["status"], last["job"]["data"]) == ("success", {"name": "one"})
    assert socket.close_code == 1000


async def test_a_frame_is_what_a_get_answers_at_that_revision(service: Service) -> None:
    """Byte for byte, at every revision."""
    job = await service.running()
    async with opened(service, job["links"]["events"]) as socket:
        for n in range(4):
            frame = await asyncio.wait_for(socket.recv(), 5)
            async with service.client.get(job["links"]["self"]) as answer:
                assert frame == f'{{"type":"job","job":{await answer.text()}}}'
            if n < 3:
                await service.gate.reports["one"](n, 3)
                await service.clock.advance(0.2)
        service.gate.gate().set()
        last = await asyncio.wait_for(socket.recv(), 5)
        async with service.client.get(job["links"]["self"]) as answer:
            assert last == f'{{"type":"job","job":{await answer.text()}}}'


async def test_the_socket_of_an_ended_job(service: Service) -> None:
    """One frame, the terminal one, and 1000."""
    job = await service.finished(text="a")
    async with opened(service, job["links"]["events"]) as socket:
        assert await frames(socket) == [{"type": "job", "job": job}]
    assert socket.close_code == 1000


@pytest.mark.parametrize(("behind", "count"), [(0, 0), (1, 1), (2, 1)])
async def test_since_leaves_out_what_the_client_has(service: Service, behind: int, count: int) -> None:
    """With the terminal revision nothing comes but 1000; with an older one the newest."""
    job = await service.finished(text="a")
    path = f"{job['links']['events']}?since={job['revision'] - behind}"
    async with opened(service, path) as socket:
        assert await frames(socket) == [{"type": "job", "job": job}] * count
    assert socket.close_code == 1000


async def test_since_waits_for_a_newer_revision(service: Service) -> None:
    """The first frame is the next revision, not the one that the client has."""
    job = await service.get(await service.running())
    async with opened(service, f"{job['links']['events']}?since={job['revision']}") as socket:
        await until(lambda: len(service.jobs.hub) > 1)
        await service.gate.reports["one"](1, 2)
        assert (await frame(socket))["job"]["revision"] == job["revision"] + 1


async def test_since_from_the_future_still_sees_the_end(service: Service) -> None:
    """A client that claims more than there is gets the terminal frame all the same."""
    job = await service.running()
    async with opened(service, f"{job['links']['events']}?since=999") as socket:
        await until(lambda: len(service.jobs.hub) > 1)
        service.gate.gate().set()
        assert [each["job"]["status"] for each in await frames(socket)] == ["success"]
    assert socket.close_code == 1000


async def test_every_follower_sees_the_end(service: Service) -> None:
    """Fifty sockets, one end: the same last frame for each."""
    job = await service.running()
    sockets = [await opened(service, job["links"]["events"]) for _ in range(50)]
    service.gate.gate().set()
    ends = [(await frames(socket))[-1] for socket in sockets]
    assert ends == [{"type": "job", "job": await service.get(job)}] * 50


async def test_the_socket_over_all_jobs(service: Service) -> None:
    """First the list, then every change of any job, `data` null; the socket stays open."""
    old = await service.finished(text="a")
    async with opened(service, "/api/jobs/ws") as socket:
        assert await frame(socket) == {"type": "jobs", "jobs": [old | {"data": None}], "total_jobs": 1}
        new = await service.finished(text="b")
        seen: list[dict[str, Any]] = []
        while not seen or seen[-1]["status"] != "success":
            told = await frame(socket)
            assert told["type"] == "job"
            seen.append(told["job"])
        assert {job["job_id"] for job in seen} == {new["job_id"]}
        revisions = [job["revision"] for job in seen]
        assert revisions == sorted(set(revisions))
        assert seen[-1] == new | {"data": None}
        assert socket.close_code is None


async def test_no_revision_is_told_twice_however_busy_it_is(service: Service) -> None:
    """A job that comes between the handshake and the first frame is in that frame alone."""
    store = service.jobs._store
    assert isinstance(store, MemoryJobStore)
    async with (
        store._lock
    ):  # so that three stand in line for it: the socket, the job, the list for the socket
        connecting = asyncio.ensure_future(opened(service, "/api/jobs/ws").__aenter__())
        await until(lambda: bool(store._lock._waiters))
        submit = asyncio.ensure_future(service.jobs.submit("gate"))
        await idle()
    job_id, socket = (await submit).job_id, await connecting
    (listed,) = (await frame(socket))["jobs"]
    assert listed["job_id"] == job_id
    told = (await frame(socket))["job"]
    assert (told["job_id"], told["revision"]) == (job_id, listed["revision"] + 1)
    await socket.close()


async def test_a_total_is_null_while_unknown(service: Service) -> None:
    """Progress may count without an end in sight."""
    job = await service.running()
    await service.gate.reports["one"](3, unit="pages")
    await idle()
    progress = (await service.get(job))["progress"]
    assert progress == {"done": 3, "total": None, "unit": "pages", "message": ""}


async def test_the_first_frame_holds_the_newest_hundred() -> None:
    """100 of more, newest first, and `total_jobs` counts all."""
    async with running_service(max_running_jobs=1) as service:
        ids = [(await service.start(name=str(n)))["job_id"] for n in range(103)]
        async with opened(service, "/api/jobs/ws") as socket:
            first = await frame(socket)
        assert [job["job_id"] for job in first["jobs"]] == ids[:2:-1]
        assert first["total_jobs"] == 103


async def test_expiry_is_told() -> None:
    """`expired` with the id, when the reaper removed the job."""
    async with running_service(job_ttl_seconds=10, reap_interval_seconds=1) as service:
        job = await service.finished()
        async with opened(service, "/api/jobs/ws") as socket:
            await frame(socket)
            await service.clock.advance(12)
            assert await frame(socket) == {"type": "expired", "job_id": job["job_id"]}


async def test_a_client_that_goes_away_leaves_nothing_behind(service: Service) -> None:
    """No subscription and no task outlives its socket, whether it says goodbye or not."""
    job = await service.running()
    await idle()
    listeners, tasks = len(service.jobs.hub), len(asyncio.all_tasks())
    for path in ("/api/jobs/ws", job["links"]["events"]):
        polite, rude = await opened(service, path), await opened(service, path)
        await until(lambda: len(service.jobs.hub) == listeners + 2)
        rude.transport.abort()
        await polite.close()
        await until(lambda: len(service.jobs.hub) == listeners)
    await until(lambda: len(asyncio.all_tasks()) <= tasks)


@pytest.mark.parametrize(
    ("message", "code"),
    [
        ("hello", 1008),
        (b"hello", 1008),
        ("", 1008),
        ("x" * 4096, 1008),
        ("x" * 4097, 1009),
        ("x" * 99_999, 1009),
    ],
)
async def test_a_client_has_nothing_to_say(service: Service, message: str | bytes, code: int) -> None:
    """Any data message closes with 1008, one beyond 4 KiB with 1009."""
    async with opened(service, "/api/jobs/ws") as socket:
        await frame(socket)
        await socket.send(message)
        with pytest.raises(ConnectionClosed):
            await frame(socket)
        assert socket.close_code == code


async def test_pings_are_answered(service: Service) -> None:
    """With what they hold, up to 100 in 10 s; the next closes with 1008."""
    async with opened(service, "/api/jobs/ws") as socket:
        await frame(socket)
        for _ in range(100):
            await asyncio.wait_for(await socket.ping(), 5)
        await socket.ping()
        with pytest.raises(ConnectionClosed):
            await frame(socket)
        assert socket.close_code == 1008


async def test_a_shutdown_closes_with_1001_and_an_ended_job_with_1000(service: Service) -> None:
    """Who followed a job sees it end, who followed all is told to come again."""
    job = await service.running()
    async with opened(service, job["links"]["events"]) as own, opened(service, "/api/jobs/ws") as all_jobs:
        await frame(own)
        await frame(all_jobs)
        closing = asyncio.ensure_future(service.jobs.close())
        await service.clock.advance(2)
        await closing
        await service.app.shutdown()
        last = (await frames(own))[-1]["job"]
        assert (last["status"], last["error_code"], last["retryable"]) == ("cancelled", "shutdown", True)
        assert (await frames(all_jobs))[-1]["job"] == last
    assert (own.close_code, all_jobs.close_code) == (1000, 1001)
