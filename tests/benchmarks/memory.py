"""Memory: of idle websockets, and of kept jobs."""

from pathlib import Path

from tests.benchmarks.listeners import listening
from tests.benchmarks.load import blast
from tests.benchmarks.machine import private_bytes
from tests.benchmarks.report import Report
from tests.benchmarks.servers import RESULT_CHARACTERS, Served, ask, service


def measure(report: Report, folder: Path, quick: bool) -> None:
    """In a service of their own, so that nothing is there to be used again."""
    with service(folder) as ours:
        _sockets(report, ours, 500 if quick else 3000)
    with service(folder) as ours:
        _jobs(report, ours, folder, 1 if quick else 5)


def _sockets(report: Report, ours: Served, count: int) -> None:
    job = ours.start_job("stage")
    events = f"{ours.url}{job['links']['events']}"
    with listening(events, 100) as few:
        few.drain()
        before = private_bytes(ours.pid)
        with listening(events, count) as many:
            many.drain()
            report.set("socket_memory", (private_bytes(ours.pid) - before) / count / 1000)
    ask(ours.job_url(job), "DELETE")


def _jobs(report: Report, ours: Served, folder: Path, seconds: int) -> None:
    url = f"{ours.url}/api/jobs/nothing?size={RESULT_CHARACTERS}"
    blast(url, folder, 1, "POST")
    ours.rest()
    before, kept = private_bytes(ours.pid), _kept(ours)
    blast(url, folder, seconds, "POST")
    ours.rest()
    report.set("job_memory", (private_bytes(ours.pid) - before) / (_kept(ours) - kept) / 1000)


def _kept(ours: Served) -> int:
    _, page = ask(f"{ours.url}/api/jobs?limit=1")
    return int(page["total_jobs"])
