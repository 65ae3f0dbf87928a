"""Many kept jobs: lists among them, their end, and starting with them."""

import time
from pathlib import Path

from tests.benchmarks.listeners import lag_seconds, stop_looking
from tests.benchmarks.load import blast, in_turns, ratio
from tests.benchmarks.machine import NotThereError
from tests.benchmarks.report import Report
from tests.benchmarks.servers import Served, ask, service
from tests.benchmarks.state import write_jobs

MANY = 100_000
_EXPIRES_IN = 28.0  # seconds, for writing, loading and listing them


def measure(report: Report, folder: Path, quick: bool) -> None:
    """Lists among 100 and among 100,000; then the many expire at once."""
    many = MANY // 10 if quick else MANY
    large = write_jobs(folder / "large.sqlite3", many, _EXPIRES_IN)
    small = write_jobs(folder / "small.sqlite3", 100)
    with service(folder, small) as few, service(folder, large, KAMEO_ASYNC_REAP_INTERVAL_SECONDS="1") as lots:
        _lists(report, few, lots, folder)
        _expiry(report, lots)


def _lists(report: Report, few: Served, lots: Served, folder: Path) -> None:
    worst = 0.0
    for asked in _questions(lots):
        measures = {
            name: lambda served=served, asked=asked: blast(_in(served, asked), folder, 1, connections=1).rate
            for name, served in (("few", few), ("lots", lots))
        }
        figures = in_turns(1, measures)
        worst = max(worst, ratio(figures["few"], figures["lots"]))
    report.set("list", worst)


def _questions(lots: Served) -> list[str]:
    """Filters, each from the newest and from the middle."""
    filters = ("", "status=success", "kind=nothing", "status=success&kind=nothing")
    middle = f"cursor={_count(lots) // 2}"
    return [*filters, middle, f"{filters[3]}&{middle}"]


def _in(served: Served, asked: str) -> str:
    """Among few jobs the middle is elsewhere."""
    query = asked
    if "cursor=" in asked:
        query = asked.partition("cursor=")[0] + f"cursor={max(50, _count(served) // 2)}"
    return f"{served.url}/api/jobs?limit=20&{query}"


def _count(served: Served) -> int:
    _, page = ask(f"{served.url}/api/jobs?limit=1")
    return int(page["total_jobs"])


def _expiry(report: Report, lots: Served) -> None:
    """The loop's worst stall from just before the first is removed until none is left.

    Not while they wait for their end: this machine may stall a loop that does nothing for 4 ms now and then.
    """
    lag_seconds(lots.port)
    worst, left, deadline = 0.0, (many := _count(lots)), time.monotonic() + 3 * _EXPIRES_IN
    while left:
        if time.monotonic() > deadline:
            raise NotThereError("the jobs did not expire")
        time.sleep(0.05)
        late, left = lag_seconds(lots.port), _count(lots)
        worst = max(worst, late) if left < many else 0.0
    worst = max(worst, lag_seconds(lots.port))
    stop_looking(lots.port)
    report.set("expiry", worst * 1000)
