"""A process of the service for tests: `python -m tests.postgres.node worker|web URL LEASE SLOTS`.

Prints a line when it is ready (a web: its port), ends on SIGTERM as the commands do.
"""

import asyncio
import signal
import sys
from contextlib import AsyncExitStack

import uvloop

from kameo_async import log
from kameo_async.engines.postgres import Cluster
from kameo_async.jobs.service import JobLimits, JobService
from tests.postgres.walk import Walk

GRACE_SECONDS = 0.3


async def worker(url: str, lease_seconds: float, slots: int) -> None:
    limits = JobLimits(max_running=slots, grace_seconds=GRACE_SECONDS)
    async with AsyncExitStack() as stack:
        cluster = Cluster(url, "test", runs_jobs=True, lease_seconds=lease_seconds)
        await stack.enter_async_context(cluster)
        jobs = JobService([Walk()], limits, cluster.clock, parts=cluster.parts)
        await stack.enter_async_context(jobs)
        stopped = asyncio.Event()
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopped.set)
        print("ready", flush=True)
        await stopped.wait()
        await jobs.close()


async def serve(url: str, lease_seconds: float, slots: int) -> None:
    # What a worker does without costs a second to import.
    from aiohttp import web

    from kameo_async.app import create_app
    from kameo_async.serve import stop_on_signals
    from kameo_async.settings import ServiceSettings
    from kameo_async.web.keys import JOBS
    from kameo_async.web.protocol import Runner
    from kameo_async.web.sockets import SOCKETS

    settings = ServiceSettings(
        database_url=url, port=0, max_running_jobs=slots, shutdown_grace_seconds=GRACE_SECONDS
    )
    runner = Runner(create_app(settings, mode="test", kinds=[Walk()]))
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    stopped = stop_on_signals()
    print(runner.addresses[0][1], flush=True)
    await stopped.wait()
    await runner.app[JOBS].close()
    await runner.app[SOCKETS].close()
    await runner.cleanup()


if __name__ == "__main__":
    role, url, lease_seconds, slots = sys.argv[1:]
    log.configure("info", "json")
    main = {"worker": worker, "web": serve}[role]
    uvloop.run(main(url, float(lease_seconds), int(slots)))
