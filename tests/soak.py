"""A service under everything at once for a while; at the end it is where it began.

`python -m tests.soak [SECONDS]` (default 600): submits, polls, exports, long polls, websockets coming and
going, cancels, bad bytes and bad requests, an upstream with faults, all on loopback. Exits with 1 where
memory grows, or where tasks, descriptors or sockets are not back.

A service that has been at work for a while is told from one that has just begun: before anything is measured
its archive has seen many fetches, a round like those that follow has filled what it remembers, and then it
had more jobs and exports at a time than it will have again. All rounds are alike.
"""

import asyncio
import contextlib
import logging
import random
import re
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import aiohttp
import structlog
from aiohttp import web

from kameo_async.clock import SystemClock
from kameo_async.kameo.archive import Visit
from kameo_async.kameo.archive.sqlite import SqliteDatabase
from kameo_async.kameo.archive.visit import remember
from kameo_async.sandbox.faults import Faults
from kameo_async.sandbox.options import Fault, SandboxOptions
from kameo_async.sandbox.server import create_sandbox
from kameo_async.sandbox.world import WORLD
from tests.trust.conftest import Process

ROUNDS = 6  # memory is looked at after each, when nothing runs
FETCHES_BEFORE = 10_000  # what the archive has seen
FIRST_BURST = 1200  # submits at once: more than may wait
EXPORTS, EXPORT_ROUNDS = 200, 10
BURST = 50  # the same, in each round
BURST_SECONDS = 20
DEED_SECONDS = 10
DRAIN_SECONDS = 600
KEPT_SECONDS = 10  # long enough for most jobs of the first burst to be there at once
FORGET_SECONDS = KEPT_SECONDS + 2
QUIET_SECONDS = 35  # idle connections to the upstream are looked through every 15 s, and kept for 15
CHANCES = {
    Fault.TOO_MANY_REQUESTS: 0.0003,  # each holds all jobs up for a second
    Fault.UNAVAILABLE: 0.01,
    Fault.BAD_GATEWAY: 0.01,
    Fault.HANG: 0.005,
    Fault.EXPIRE: 0.005,
    Fault.DUPLICATE: 0.05,
    Fault.TRUNCATE: 0.01,
    Fault.DRIFT: 0.05,
    Fault.MAINTENANCE: 0.001,
}
BROKEN_LOAN_CHANCE = 0.05
FAULTLESS = 5000  # chances at first: some hundred requests
MAX_SLOPE = 200.0  # bytes a second, over the second half: 0.7 MB an hour
NOISE = (
    b"\x16\x03\x01\x02\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: evil\r\n\r\n",
    b"POST /api/jobs/fetch-loans HTTP/1.1\r\n",
    b"",
)

Deed = Callable[[aiohttp.ClientSession], Awaitable[None]]


class Weather(Faults):
    """Faults that come by chance, as often at the end as at the beginning.

    But not at the very beginning: a 429 after three requests teaches that three a second are too many, for
    ten minutes, and little else would happen.
    """

    def __init__(self) -> None:
        super().__init__(())
        self._asked = 0

    def take(self, fault: Fault) -> bool:
        self._asked += 1
        return self._asked > FAULTLESS and random.random() < CHANCES.get(fault, 0)

    def rows(self, fault: Fault, available: int) -> int:
        return int(available > 0 and random.random() < BROKEN_LOAN_CHANCE)


class Soak:
    """The deeds of clients, each done again and again until the end."""

    def __init__(self, process: Process) -> None:
        self._process = process
        self._end = 0.0
        self._links: list[str] = []
        self.done: Counter[str] = Counter()

    async def run(self, seconds: float) -> None:
        """All of them for that long."""
        async with aiohttp.ClientSession(self._process.url) as client:
            await asyncio.gather(*(self.submit(client) for _ in range(BURST)))
            self._end = time.monotonic() + seconds
            reads = (self.poll, self.export, self.long_poll, self.follow, self.look_on)
            often = [self._again(deed, client) for deed in (*reads, self.ask_badly, self.noise) * 2]
            seldom = [self._again(deed, client, pause=0.1) for deed in (self.submit, self.cancel) * 2]
            await asyncio.gather(*often, *seldom)

    async def burst(self) -> None:
        """As many jobs as may run and as may wait; then exports in every thread that may be."""
        async with aiohttp.ClientSession(self._process.url) as client:
            await asyncio.gather(*(self.submit(client) for _ in range(FIRST_BURST)))
            await drained(self._process, 0)
            await asyncio.gather(*(self.submit(client) for _ in range(EXPORTS)))
            for _ in range(EXPORT_ROUNDS):
                await asyncio.gather(*(self.export(client) for _ in range(EXPORTS)))

    async def _again(self, deed: Deed, client: aiohttp.ClientSession, pause: float = 0.02) -> None:
        while time.monotonic() < self._end:
            with contextlib.suppress(aiohttp.ClientError, ConnectionError, TimeoutError):
                async with asyncio.timeout(DEED_SECONDS):
                    await deed(client)
                self.done[getattr(deed, "__name__", "deed")] += 1
            await asyncio.sleep(random.uniform(pause / 10, pause))

    def _link(self) -> str:
        return random.choice(self._links) if self._links else "/api/jobs/none"

    async def submit(self, client: aiohttp.ClientSession) -> None:
        key = {"Idempotency-Key": f"k{random.randrange(50)}"} if random.random() < 0.3 else {}
        async with client.post("/api/jobs/fetch-loans", headers=key) as answer:
            if answer.status == 202:
                self._links = [*self._links[-200:], (await answer.json())["links"]["self"]]

    async def poll(self, client: aiohttp.ClientSession) -> None:
        path = random.choice(
            (self._link(), "/api/jobs?limit=5", "/api/health", f"{self._link()}/result?format=csv")
        )
        async with client.get(path) as answer:
            await answer.read()

    async def export(self, client: aiohttp.ClientSession) -> None:
        async with client.get(f"{self._link()}/result?format=csv") as answer:
            await answer.read()

    async def long_poll(self, client: aiohttp.ClientSession) -> None:
        timeout = aiohttp.ClientTimeout(random.uniform(0.05, 3))  # often gone before the answer
        async with client.get(self._link(), headers={"Prefer": "wait=2"}, timeout=timeout) as answer:
            await answer.read()

    async def follow(self, client: aiohttp.ClientSession) -> None:
        async with client.ws_connect(f"{self._link()}/ws") as socket:
            async for _ in socket:
                if random.random() < 0.2:
                    break

    async def look_on(self, client: aiohttp.ClientSession) -> None:
        async with client.ws_connect("/api/jobs/ws") as socket:
            for _ in range(random.randrange(1, 20)):
                await socket.receive(timeout=2)

    async def cancel(self, client: aiohttp.ClientSession) -> None:
        async with client.delete(self._link()) as answer:
            await answer.read()

    async def ask_badly(self, client: aiohttp.ClientSession) -> None:
        query = random.choice(("limit=0", "nonsense=1", "countries=XX", "page=-1"))
        async with client.post(f"/api/jobs/fetch-loans?{query}", data=b"{") as answer:
            await answer.read()

    async def noise(self, _: aiohttp.ClientSession) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", self._process.port)
        writer.write(random.choice(NOISE))
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(reader.read(100), random.uniform(0.01, 0.2))
        writer.close()


def memory(process: Process) -> int:
    """Resident bytes."""
    return int(Path(f"/proc/{process.popen.pid}/statm").read_text().split()[1]) * 4096


async def drained(process: Process, seconds: float) -> None:
    """Returns when no job waits or runs, and some time later."""
    async with aiohttp.ClientSession(process.url) as client, asyncio.timeout(DRAIN_SECONDS):
        while True:
            async with client.get("/api/health") as answer:
                if not (await answer.json())["active_jobs"]:
                    break
            await asyncio.sleep(1)
    await asyncio.sleep(seconds)


async def gauges(process: Process) -> dict[str, float]:
    """What should come back to where it was."""
    async with aiohttp.ClientSession(process.url) as client, client.get("/metrics") as answer:
        text = await answer.text()
    names = ("asyncio_tasks", "websocket_connections")
    told = {name: float(re.search(rf"^kameo_async_{name} (\S+)$", text, re.MULTILINE)[1]) for name in names}  # type: ignore[index]
    descriptors = await asyncio.to_thread(lambda: len(list(Path(f"/proc/{process.popen.pid}/fd").iterdir())))
    return {**told, "descriptors": descriptors}


def slope(samples: list[tuple[float, int]]) -> float:
    """Bytes a second, by least squares."""
    count = len(samples)
    mean_x, mean_y = sum(x for x, _ in samples) / count, sum(y for _, y in samples) / count
    spread = sum((x - mean_x) ** 2 for x, _ in samples)
    return sum((x - mean_x) * (y - mean_y) for x, y in samples) / spread


@asynccontextmanager
async def upstream() -> AsyncIterator[dict[str, str]]:
    """A quick one with faults; gives the settings of who uses it."""
    options = SandboxOptions(latency=(0, 0.01), rate_limit=1_000_000, pages=2, two_factor=False, pace=0)
    app = create_sandbox(options, SystemClock())
    app[WORLD].faults = Weather()
    runner = web.AppRunner(app, access_log=None, handler_cancellation=True, shutdown_timeout=1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        yield {
            "KAMEO_BASE_URL": url,
            "KAMEO_API_URL": f"{url}/v1",
            "KAMEO_EMAIL": options.email,
            "KAMEO_PASSWORD": options.password,
        }
    finally:
        await runner.cleanup()


def remember_much(folder: Path) -> None:
    """Makes the service's archive one that has seen many fetches within the hour."""
    archive = folder / "kameo-async" / "live.127.0.0.1.archive.sqlite3"
    now = datetime.now(UTC)
    database = SqliteDatabase.open(archive, now)
    for number in range(FETCHES_BEFORE):
        seconds = 3600 * (1 - number / FETCHES_BEFORE)
        remember(database, Visit(("SE", "DK"), (), is_whole=True), now - timedelta(seconds=seconds))
    database.close()


def service(folder: Path, settings: dict[str, str]) -> Process:
    """A live service of that upstream, in which jobs are soon forgotten."""
    own = {
        "TEST_MODE": "0",
        "KAMEO_REQUESTS_PER_MINUTE": "6000",
        "KAMEO_ASYNC_JOB_TTL_SECONDS": str(KEPT_SECONDS),
        "KAMEO_ASYNC_JOB_TIMEOUT_SECONDS": "5",
        "KAMEO_ASYNC_REAP_INTERVAL_SECONDS": "0.5",
        "KAMEO_ASYNC_MAX_RUNNING_JOBS": "64",
        "KAMEO_ASYNC_LOG_LEVEL": "warning",
    }
    remember_much(folder)
    return Process(folder, **settings, **own)


async def main(seconds: float) -> int:
    """Runs it, prints the figures, gives the exit code."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    with tempfile.TemporaryDirectory() as folder:
        async with upstream() as settings:
            process = await asyncio.to_thread(service, Path(folder), settings)
            try:
                return await soaked(process, seconds)
            finally:
                await asyncio.to_thread(process.stop)


async def soaked(process: Process, seconds: float) -> int:
    """Runs all deeds against the process; gives the exit code."""
    soak = Soak(process)
    await soak.run(seconds / ROUNDS)
    await asyncio.gather(soak.run(BURST_SECONDS), soak.burst())
    await drained(process, QUIET_SECONDS)
    before, samples = await gauges(process), []
    print(f"   0 s   {memory(process) / 1e6:.2f} MB", flush=True)
    for number in range(1, ROUNDS + 1):
        await soak.run(seconds / ROUNDS)
        await drained(process, FORGET_SECONDS)
        samples.append((number * seconds / ROUNDS, memory(process)))
        print(f"{samples[-1][0]:4.0f} s   {samples[-1][1] / 1e6:.2f} MB", flush=True)
    await asyncio.sleep(QUIET_SECONDS)
    after, grown = await gauges(process), slope(samples[ROUNDS // 2 - 1 :])
    print(f"deeds    {dict(soak.done)}")
    print(f"memory   {grown:+.0f} B/s over the second half")
    print(f"before   {before}\nafter    {after}")
    print(f"log      {dict(Counter(event['event'] for event in process.events))}")
    return int(grown > MAX_SLOPE or any(after[name] > before[name] + 1 for name in before))


if __name__ == "__main__":
    sys.exit(asyncio.run(main(float(sys.argv[1]) if len(sys.argv) > 1 else 600)))
