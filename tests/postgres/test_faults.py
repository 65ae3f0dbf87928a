"""Two webs and two workers under all faults at once: whatever got a 202 ends once, and nothing is lost."""

import asyncio
import itertools
import random
import signal
from collections.abc import Callable
from typing import Any

import aiohttp
import orjson
import pytest

from tests.postgres.conftest import Node
from tests.postgres.server import Server

pytestmark = pytest.mark.database

JOBS = 100
LONG = 8  # of them, which take all slots before the faults begin
SECONDS = 3.0  # over which they are submitted
TERMINAL = ("success", "failed", "cancelled")
_COUNTED = "SELECT status, sum(jobs), sum(bytes) FROM counted GROUP BY status HAVING sum(jobs) <> 0"
_THERE_ARE = "SELECT status, count(*), sum(size) FROM job GROUP BY status"


class Client:
    """Asks any web that answers, as long as it takes; holds each job to the first end that it was shown."""

    def __init__(self, session: aiohttp.ClientSession, webs: list[Node]) -> None:
        self.webs = webs
        self.ids: dict[str, str] = {}  # by key
        self.ends: dict[str, Any] = {}  # by id
        self.not_cancelled: set[str] = set()
        self._session = session
        self._turns = itertools.count()

    async def ask(self, method: str, path: str, **how: Any) -> tuple[int, Any]:
        """The first answer that is not 503."""
        while True:
            web = self.webs[next(self._turns) % len(self.webs)]
            try:
                status, body, _ = await self.ask_one(web, method, path, **how)
            except (aiohttp.ClientError, TimeoutError):
                status, body = 503, None
            if status != 503:
                return status, body
            await asyncio.sleep(0.05)

    async def ask_one(self, web: Node, method: str, path: str, **how: Any) -> tuple[int, Any, str]:
        """Status, body and ETag."""
        url = f"http://127.0.0.1:{web.ready}/api/jobs{path}"
        async with self._session.request(method, url, **how) as answer:
            return answer.status, orjson.loads(await answer.read()), answer.headers.get("ETag", "")

    async def submit(self, key: str, seconds: float) -> str:
        """Twice at once, as a client does that had no answer in time."""
        how = {"json": {"name": key, "seconds": seconds, "steps": 3}, "headers": {"Idempotency-Key": key}}
        for status, job in await asyncio.gather(*[self.ask("POST", "/walk", **how) for _ in range(2)]):
            assert status == 202, job
            assert self.ids.setdefault(key, job["job_id"]) == job["job_id"]
        return self.ids[key]

    async def cancel(self, job_id: str) -> None:
        status, body = await self.ask("DELETE", f"/{job_id}")
        assert status in (200, 409), body
        if status == 200:
            assert body["status"] == "cancelled"
            self.saw(body)
        else:
            self.not_cancelled.add(job_id)

    async def follow(self, job_id: str) -> None:
        """Until it has ended."""
        while job_id not in self.ends:
            status, job = await self.ask("GET", f"/{job_id}", headers={"Prefer": "wait=2"})
            assert status == 200, job
            self.saw(job)

    def saw(self, job: Any) -> None:
        if job["status"] in TERMINAL:
            assert self.ends.setdefault(job["job_id"], job) == job

    async def one(self, number: int, chance: random.Random) -> None:
        """A job's life: started, perhaps cancelled, followed to its end."""
        seconds, wait = chance.choice((0, 0.1, 0.4)), chance.choice((None, None, 0, 0.2))
        if number < LONG:
            seconds, wait = 2, None
        await asyncio.sleep(SECONDS * number / JOBS)
        job_id = await self.submit(f"key-{number}", seconds)
        if wait is not None:
            await asyncio.sleep(wait)
            await self.cancel(job_id)
        await self.follow(job_id)

    async def all_as_shown(self) -> None:
        """Every web has just these jobs, in just these ends."""
        for web in self.webs:
            _, page, _ = await self.ask_one(web, "GET", "?limit=1")
            assert page["total_jobs"] == JOBS
        for job_id, end in self.ends.items():
            answers = [await self.ask_one(web, "GET", f"/{job_id}") for web in self.webs]
            assert [(status, job) for status, job, _ in answers] == [(200, end)] * len(self.webs)
            assert len({tag for *_, tag in answers}) == 1


async def harm(
    server: Server, client: Client, workers: list[Node], start: Callable[..., Any], url: str
) -> None:
    """Faults of every sort, each while the one before is not over."""
    while (await client.ask("GET", "?status=running"))[1]["total_jobs"] < LONG:
        await asyncio.sleep(0.02)
    workers[0].signal(signal.SIGSTOP)
    workers[1].signal(signal.SIGKILL)
    client.webs.pop(0).signal(signal.SIGKILL)
    web, workers[1] = await asyncio.gather(start("web", url), start("worker", url))
    client.webs.append(web)
    await asyncio.to_thread(server.stop, "immediate")
    while not all("database.lost" in node.events() for node in (*client.webs, workers[1])):
        await asyncio.sleep(0.02)
    await asyncio.to_thread(server.start)
    workers[0].signal(signal.SIGCONT)


async def test_nothing_is_lost_under_all_faults_at_once(
    fragile_server: Server, start_node: Callable[..., Any]
) -> None:
    """`kill -9`, SIGSTOP, a restarted database, cancels, resubmits: each 202 ends once, for ever."""
    url = fragile_server.database()
    roles = ("web", "web", "worker", "worker")
    *webs, one, other = await asyncio.gather(*[start_node(role, url) for role in roles])
    workers = [one, other]
    chance = random.Random(9)
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(4)) as session, asyncio.timeout(30):
        client = Client(session, webs)
        lives = [client.one(number, chance) for number in range(JOBS)]
        await asyncio.gather(*lives, harm(fragile_server, client, workers, start_node, url))
        assert len(set(client.ids.values())) == len(client.ends) == JOBS
        await client.all_as_shown()
        for worker in workers:
            worker.signal(signal.SIGTERM)
        assert [await worker.ended() for worker in workers] == [0, 0]
        await client.all_as_shown()
    assert sorted(fragile_server.execute(_COUNTED, url)) == sorted(fragile_server.execute(_THERE_ARE, url))
    ends = [end["status"] for end in client.ends.values()]
    assert {"success", "cancelled"} <= set(ends)
    assert not [job_id for job_id in client.not_cancelled if client.ends[job_id]["status"] == "cancelled"]
    assert max(end["attempt"] for end in client.ends.values()) > 1
