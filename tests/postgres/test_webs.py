"""Two webs over HTTP: a client may ask one thing here and the next there, and notices nothing."""

import asyncio
import re
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

import aiohttp
import pytest

from tests.postgres.test_outage import served

pytestmark = pytest.mark.database


@pytest.fixture
async def webs(url: str) -> AsyncIterator[list[aiohttp.ClientSession]]:
    """Clients of two webs without a worker."""
    async with served(url, worker=False) as one, served(url, worker=False) as other:
        yield [one, other]


Webs = list[aiohttp.ClientSession]
Start = Callable[..., Any]


async def got(client: aiohttp.ClientSession, path: str, **headers: str) -> tuple[int, Any, str]:
    """Status, body and ETag."""
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    async with client.get(path, headers=names) as answer:
        body = await answer.json() if answer.content_length else None
        return answer.status, body, answer.headers.get("ETag", "")


async def submitted(client: aiohttp.ClientSession, **params: Any) -> str:
    async with client.post("/api/jobs/walk", json=params) as answer:
        assert answer.status == 202
        return str((await answer.json())["links"]["self"])


async def test_a_job_is_followed_where_it_was_not_started(webs: Webs, url: str, start_service: Start) -> None:
    """By its ETag of the other web, by long poll, by its socket and by that of all jobs, to the same end."""
    one, other = webs
    async with other.ws_connect("/api/jobs/ws") as everything:
        assert (await everything.receive_json(timeout=5))["total_jobs"] == 0
        path = await submitted(one, seconds=0.3, steps=3)
        _, _, tag = await got(one, path)
        assert await got(other, path, If_None_Match=tag) == (304, None, tag)
        async with other.ws_connect(f"{path}/ws") as socket:
            poll = asyncio.ensure_future(got(other, path, Prefer="wait=10"))
            await start_service(url, runs_jobs=True)
            frames = [frame.json()["job"] async for frame in socket]
            assert socket.close_code == 1000
        status, end, tag = await poll
        assert (status, end["status"], end) == (200, "success", frames[-1])
        assert await got(one, path) == (200, end, tag)
        last: dict[str, Any] = {}
        while last.get("status") != "success":
            frame = await everything.receive_json(timeout=5)
            last = frame["job"]
        assert (last["job_id"], last["data"], last["revision"]) == (end["job_id"], None, end["revision"])


async def test_a_cancel_on_another_web_ends_it_within_two_seconds(
    webs: Webs, url: str, start_service: Start
) -> None:
    """With the document that the first web then gives."""
    one, other = webs
    await start_service(url, runs_jobs=True)
    path = await submitted(one, seconds=60, steps=600)
    while (await got(one, path))[1]["progress"] is None:
        await asyncio.sleep(0.01)
    begin = time.monotonic()
    async with other.delete(path) as answer:
        assert (answer.status, (await answer.json())["status"]) == (200, "cancelled")
        assert time.monotonic() - begin < 2
        assert await got(one, path) == (200, await answer.json(), answer.headers["ETag"])


async def test_a_list_is_read_on_by_a_cursor_of_another_web(webs: Webs) -> None:
    """No job twice and none left out, in the order in which they came."""
    paths = [await submitted(web) for web in webs * 4]
    seen: list[str] = []
    path: str | None = "/api/jobs?limit=3"
    turn = 0
    while path:
        async with webs[turn % 2].get(path) as answer:
            assert answer.status == 200
            page = await answer.json()
            found = re.match("<([^>]+)>", answer.headers.get("Link", ""))
        assert page["total_jobs"] == 8
        seen += [job["links"]["self"] for job in page["jobs"]]
        path, turn = found[1] if found else None, turn + 1
    assert seen == paths[::-1]


async def test_health_tells_of_workers_and_of_work_without_one(
    webs: Webs, url: str, start_service: Start
) -> None:
    """On every web, by mode; as long as none is alive, what waits is named."""
    await submitted(webs[0])
    for web in webs:
        health = await told(web, lambda health: health["warnings"] and health["active_jobs"])
        assert (health["engine"], health["workers"], health["active_jobs"]) == ("distributed", {}, 1)
        assert health["warnings"] == [
            "1 job waits for a worker of mode test that takes walk, and none is alive"
        ]
    await start_service(url, runs_jobs=True)
    for web in webs:
        health = await told(web, lambda health: not health["warnings"] and not health["active_jobs"])
        assert health["workers"] == {"test": 1}


async def told(web: aiohttp.ClientSession, holds: Callable[[Any], Any]) -> Any:
    """What health says as soon as it holds."""
    async with asyncio.timeout(5):
        while True:
            _, health, _ = await got(web, "/api/health")
            if holds(health):
                return health
            await asyncio.sleep(0.05)
