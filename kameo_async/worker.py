"""Runs jobs of the distributed engine as a process, until a signal; what it cannot end it hands back."""

from contextlib import AsyncExitStack

import structlog

from kameo_async.app import all_kinds, cluster_of, job_limits, shared_of
from kameo_async.clock import SystemClock
from kameo_async.jobs.service import JobService
from kameo_async.kameo.transport import NoObserver
from kameo_async.sandbox.options import SandboxOptions
from kameo_async.serve import run_to_the_end, stop_on_signals, upstream
from kameo_async.settings import ServiceSettings, SettingsError

log = structlog.get_logger()

NO_DATABASE = "KAMEO_ASYNC_DATABASE_URL: is not set; without a database `serve` runs the jobs itself"


def run(settings: ServiceSettings, sandbox: SandboxOptions | None = None) -> None:
    """Works until SIGINT or SIGTERM; a second signal ends at once. Raises SettingsError, OSError."""
    if settings.database_url is None:
        raise SettingsError(NO_DATABASE)
    run_to_the_end(_work(settings, sandbox))


async def _work(settings: ServiceSettings, sandbox: SandboxOptions | None) -> bool:
    clock = SystemClock()
    async with AsyncExitStack() as stack:
        mode, read_config = await upstream(settings, sandbox, stack)
        cluster = cluster_of(settings, mode, clock, runs_jobs=True)
        if cluster is None:
            raise SettingsError(NO_DATABASE)
        await stack.enter_async_context(cluster)
        shared = shared_of(cluster, None, mode, clock)
        await stack.enter_async_context(shared.archive)
        kinds = all_kinds(mode, read_config, clock, NoObserver(), shared)
        jobs = JobService(kinds, job_limits(settings), cluster.clock, parts=cluster.parts)
        await stack.enter_async_context(jobs)
        stopped = stop_on_signals()
        log.info("worker.ready", mode=mode, slots=settings.max_running_jobs)
        print(f"kameo-async worker is ready: runs {mode} jobs", flush=True)  # noqa: T201 - the line for people
        await stopped.wait()
        log.info("worker.draining")
        abandoned = await jobs.close()
        if abandoned:
            log.error("worker.left_behind", jobs=list(abandoned))
        return bool(abandoned)
