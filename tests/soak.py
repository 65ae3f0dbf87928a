"""A service under everything at once for a while; at the end it is where it began.

`python -m tests.soak [SECONDS]` (default 600): polls, long polls, websockets coming and going, cancels,
bad bytes and bad requests, an upstream with faults, all on loopback. Exits with 1 where memory grows, or
where tasks, descriptors or sockets are not back.
"""

import asyncio
import contextlib
import random
import re
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path

import aiohttp

from kameo_async.clock import SystemClock
from kameo_async.sandbox.options import Fault, FaultOrder, SandboxOptions
from kameo_async.sandbox.server import RunningSandbox, running_sandbox
from tests.trust.conftest import Process

ROUNDS = 6  # memory is looked at after each, when nothing runs; caches fill in the first half
BURST = 300  # submits at once: more than ever run at a time later
EXPORTS = 10  # times as many
DEED_SECONDS = 10
FIRST_SECONDS = 5
DRAIN_SECONDS = 600
FORGET_SECONDS = 5  # jobs are kept for 3
QUIET_SECONDS = 35  # idle connections to the upstream are looked through every 15 s, and kept for 15
MAX_SLOPE = 200.0  # bytes a second, over the second half: 0.7 MB an hour
NOISE = (
    b"\x16\x03\x01\x02\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: evil\r\n\r\n",
    b"POST /api/jobs/fetch-loans HTTP/1.1\r\n",
    b"",
)

Deed = Callable[[aiohttp.ClientSession], Awaitable[None]]


class Soak:
    """The deeds of clients, each done again and again until the end."""

    def __init__(self, process: Process) -> None:
        self._process = process
        self._end = 0.0
        self._links: list[str] = []
        self.done: Counter[str] = Counter()

    async def run(self, seconds: float) -> None:
        """All of them for that long."""
        self._end = time.monotonic() + seconds
        deeds = (
            self.submit,
            self.poll,
            self.long_poll,
            self.follow,
            self.look_on,
            self.cancel,
            self.ask_badly,
            self.noise,
        )
        async with aiohttp.ClientSession(self._process.url) as client:
            await asyncio.gather(*(self._again(deed, client) for deed in deeds * 2))

    async def burst(self) -> None:
        """As many jobs as may run and a queue behind them; then exports in every thread that may be."""
        async with aiohttp.ClientSession(self._process.url) as client:
            await asyncio.gather(*(self.submit(client) for _ in range(BURST)))
            for _ in range(EXPORTS):
                await asyncio.gather(*(self.export(client) for _ in range(BURST)))

    async def _again(self, deed: Deed, client: aiohttp.ClientSession) -> None:
        while time.monotonic() < self._end:
            with contextlib.suppress(aiohttp.ClientError, ConnectionError, TimeoutError):
                async with asyncio.timeout(DEED_SECONDS):
                    await deed(client)
                self.done[getattr(deed, "__name__", "deed")] += 1
            await asyncio.sleep(random.uniform(0.002, 0.02))

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


def options() -> SandboxOptions:
    """An upstream that is quick, and goes wrong twenty times in every way but the lasting one."""
    faults = tuple(FaultOrder(fault, 20) for fault in Fault if fault is not Fault.MAINTENANCE)
    return SandboxOptions(
        latency=(0, 0.01), rate_limit=1_000_000, pages=2, two_factor=False, pace=0, faults=faults
    )


def service(folder: Path, sandbox: RunningSandbox) -> Process:
    """A live service of that upstream, in which jobs are soon forgotten."""
    own = {
        "TEST_MODE": "0",
        "KAMEO_REQUESTS_PER_MINUTE": "6000",
        "KAMEO_ASYNC_JOB_TTL_SECONDS": "3",
        "KAMEO_ASYNC_JOB_TIMEOUT_SECONDS": "5",
        "KAMEO_ASYNC_REAP_INTERVAL_SECONDS": "0.5",
        "KAMEO_ASYNC_MAX_RUNNING_JOBS": "64",
        "KAMEO_ASYNC_LOG_LEVEL": "warning",
    }
    return Process(folder, **sandbox.settings(), **own)


async def main(seconds: float) -> int:
    """Runs it, prints the figures, gives the exit code."""
    with tempfile.TemporaryDirectory() as folder:
        async with running_sandbox(options(), SystemClock()) as sandbox:
            process = await asyncio.to_thread(service, Path(folder), sandbox)
            try:
                return await soaked(process, seconds)
            finally:
                await asyncio.to_thread(process.stop)


async def soaked(process: Process, seconds: float) -> int:
    """Runs all deeds against the process; gives the exit code."""
    soak = Soak(process)
    await soak.burst()
    await soak.run(FIRST_SECONDS)  # files are opened when they are first needed
    await drained(process, QUIET_SECONDS)
    before, samples = await gauges(process), []
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
