"""The service as many processes on one PostgreSQL: jobs a second by workers, and how soon a web tells.

All of it shares the machine's cores with the database and the client, so that more workers bring more jobs
that do nothing only as long as a core is left. Jobs that wait for something else show what workers are for.
"""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import median, quantiles

from tests.benchmarks.listeners import Listeners, listening
from tests.benchmarks.load import blast
from tests.benchmarks.machine import NotThereError, on_all_cores
from tests.benchmarks.report import Report
from tests.benchmarks.servers import Served, ask, service, worker
from tests.postgres.server import Server, running_server

WORKERS = (1, 2, 4)

# What is promised on disk is on disk, unlike in tests; memory and log as on a small server of one's own.
_OPTIONS = {"fsync": "on", "shared_buffers": "256MB", "max_wal_size": "4GB"}
_PAUSE = 0.12  # progress is merged to ten revisions a second
_WAITING = 1000  # jobs, as many as may wait
_NAPS, _NAP = 320, 0.1  # jobs, and the seconds that each of them waits
_SUBMIT = (
    "INSERT INTO job (job_id, kind, mode, params, status, revision, attempt, created_at, updated_at)"
    " SELECT gen_random_uuid(), 'nothing', 'live', '{\"seconds\":%g}', 'pending', 1, 1, now(), now()"
    " FROM generate_series(1, %d); SELECT say('{pending some 1}')"
)
_LEFT = "SELECT count(*) FROM job WHERE status IN ('pending', 'running')"
_CONNECTED = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'kameo-async'"


@contextmanager
def database_server() -> Iterator[Server]:
    """A PostgreSQL on all cores. Raises NotThereError without one."""
    with ExitStack() as stack:
        stack.enter_context(on_all_cores())
        try:
            server = stack.enter_context(running_server(**_OPTIONS))
        except AssertionError as error:
            raise NotThereError(str(error)) from error
        yield server


def measure(report: Report, folder: Path, quick: bool) -> None:
    """One web, and more and more workers; what is listened to runs on the first."""
    with database_server() as server, ExitStack() as stack:
        url = server.database()
        web = stack.enter_context(service(folder, KAMEO_ASYNC_DATABASE_URL=url))
        stages: list[int] = []
        for count in WORKERS:
            while len(stages) < count:
                stages.append(stack.enter_context(worker(folder, url)))
            if count == 1:
                _latency(report, web, stages[0], folder, 10 if quick else 40)
            _accepted(report, web, folder, count, 1 if quick else 2)
            rate = _ended(server, url, _WAITING, 0)
            report.grow("waiting jobs claimed, run and ended a second, by workers", count, rate)
            rate = _ended(server, url, _NAPS, _NAP)
            report.grow(f"the same, of {_NAP * 1000:.0f} ms and 8 at once in a worker", count, rate)
        connected = server.execute(_CONNECTED, url)[0][0]
        report.note(f"{connected} connections of 1 web and {len(stages)} workers after that load")


def _latency(report: Report, web: Served, stage: int, folder: Path, rounds: int) -> None:
    """From a datagram at the worker over its commit to the frame; also while all cores are busy with jobs."""
    job = web.start_job("stage")
    with listening(f"{web.url}{job['links']['events']}", 1) as listener, ThreadPoolExecutor(1) as thread:
        listener.drain()
        quiet = _times(listener, stage, rounds)
        load = thread.submit(blast, f"{web.url}/api/jobs/nothing", folder, 2, "POST")
        busy = _times(listener, stage, rounds // 4)
        load.result()
    ask(web.job_url(job), "DELETE")
    web.rest()
    what = "ms from a report in a worker to the frame of a web"
    report.set("pg_push", median(quiet) * 1000)
    report.grow(what, "rest, median", median(quiet) * 1000)
    report.grow(what, "rest, 95th of 100", quantiles(quiet, n=20)[-1] * 1000)
    report.grow(what, "load, median", median(busy) * 1000)


def _times(listener: Listeners, stage: int, rounds: int) -> list[float]:
    times = []
    for _ in range(rounds):
        times.append(listener.time_to_all(stage))
        time.sleep(_PAUSE)
    return times


def _accepted(report: Report, web: Served, folder: Path, workers: int, seconds: int) -> None:
    """Over HTTP, as many as come; then until the last of them has ended."""
    began = time.perf_counter()
    load = blast(f"{web.url}/api/jobs/nothing", folder, seconds, "POST")
    web.rest()
    ended = (load.requests - load.refused) / (time.perf_counter() - began)
    report.grow("submits a second over one web, by workers", workers, load.rate)
    report.grow("the same jobs, run to their end, a second, by workers", workers, ended)
    if load.refused:
        report.note(f"{load.refused} submits were refused meanwhile: {_WAITING} jobs waited")


def _ended(server: Server, url: str, jobs: int, seconds: float) -> float:
    """How many a second, of jobs that wait already: what workers alone do."""
    began = time.perf_counter()
    server.execute(_SUBMIT % (seconds, jobs), url)
    while server.execute(_LEFT, url)[0][0]:
        time.sleep(0.01)
    return jobs / (time.perf_counter() - began)
