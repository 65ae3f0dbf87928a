"""Fetches from an imitation of Kameo: as fast as its latency and its limit allow."""

import asyncio
import math
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from kameo_async.clock import SystemClock
from kameo_async.sandbox.options import SandboxOptions
from kameo_async.sandbox.server import RunningSandbox, running_sandbox
from tests.benchmarks.report import Report
from tests.benchmarks.servers import Served, service

AT_ONCE = 6
LATENCY, PAGES = 0.3, 50
WINDOW_LATENCY, WINDOW_PAGES, WINDOW_REQUESTS, WINDOW_SECONDS = 0.1, 40, 20, 8.0


def measure(report: Report, folder: Path) -> None:
    """Without a limit in the way, then with one that has to be found out."""
    asyncio.run(_unlimited(report, folder))
    asyncio.run(_limited(report, folder))


async def _unlimited(report: Report, folder: Path) -> None:
    options = SandboxOptions(pages=PAGES, latency=(LATENCY, LATENCY), rate_limit=1_000_000, pace=0)
    async with _fetching(options, folder) as (ours, _):
        best = min([await _time(ours, PAGES) for _ in range(2)])
    report.set("fetch", best / (LATENCY * (1 + math.ceil((PAGES - 1) / AT_ONCE))))


async def _limited(report: Report, folder: Path) -> None:
    """The least time: the first twenty at once, then the rest when the window is over."""
    options = SandboxOptions(
        pages=WINDOW_PAGES,
        latency=(WINDOW_LATENCY, WINDOW_LATENCY),
        rate_limit=WINDOW_REQUESTS,
        rate_window=WINDOW_SECONDS,
        pace=0,
    )
    async with _fetching(options, folder) as (ours, sandbox):
        await asyncio.sleep(WINDOW_SECONDS)
        seconds = await _time(ours, WINDOW_PAGES)
        refused = sum(count for (_, _, status), count in sandbox.record.answered.items() if status == 429)
    least = WINDOW_SECONDS + WINDOW_LATENCY * math.ceil(WINDOW_REQUESTS / AT_ONCE)
    report.set("refusals", refused)
    report.set("window", seconds / least)


@asynccontextmanager
async def _fetching(options: SandboxOptions, folder: Path) -> AsyncIterator[tuple[Served, RunningSandbox]]:
    """A service that has logged in at a sandbox on this core."""
    async with running_sandbox(options, SystemClock()) as sandbox:
        env = sandbox.settings() | {
            "KAMEO_REQUESTS_PER_MINUTE": "6000",
            "KAMEO_MAX_CONCURRENCY": str(AT_ONCE),
        }
        served = service(folder, None, **env)
        ours = await asyncio.to_thread(served.__enter__)
        try:
            await _time(ours, 1)
            yield ours, sandbox
        finally:
            await asyncio.to_thread(served.__exit__, None, None, None)


async def _time(ours: Served, pages: int) -> float:
    """Seconds from the submit to the finished document."""
    began = time.perf_counter()
    job = await asyncio.to_thread(ours.start_job, "fetch-loans", True, max_pages=pages)
    if job["status"] != "success" or job["data"]["pages"] != pages:
        raise RuntimeError(f"the fetch ended as {job['status']}: {job['error']}")
    return time.perf_counter() - began
