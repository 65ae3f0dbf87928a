"""Polls of a finished job: ours, the floor's, the rivals'; and how they slow down as results grow."""

from collections.abc import Sequence
from pathlib import Path
from statistics import median

from tests.benchmarks.load import blast, in_turns, ratio
from tests.benchmarks.report import Report
from tests.benchmarks.rival import Rival
from tests.benchmarks.servers import RESULT_CHARACTERS, Served

SIZES = (1_000, 10_000, 100_000, 1_000_000)


def measure(
    report: Report, ours: Served, bare: Served, rivals: Sequence[Rival], folder: Path, quick: bool
) -> None:
    """The first row, and the first comparison."""
    rounds, seconds = (2, 1) if quick else (4, 2)
    urls = {"ours": ours.job_url(ours.start_job("nothing", wait=True, size=RESULT_CHARACTERS))}
    urls["bare"] = f"{bare.url}/job"
    urls |= {rival.name: rival.poll_url() for rival in rivals}
    measures = {name: lambda url=url: blast(url, folder, seconds).rate for name, url in urls.items()}
    figures = in_turns(rounds, measures)
    report.set("poll", ratio(figures["ours"], figures["bare"]))
    for name in ("ours", *(rival.name for rival in rivals)):
        report.compare("poll", name, ratio(figures[name], figures["bare"]))
    report.rates["poll"] = {name: median(rates) for name, rates in figures.items()}


def measure_sizes(report: Report, ours: Served, folder: Path) -> None:
    """Polls a second by the size of the result."""
    for size in SIZES:
        job = ours.start_job("nothing", wait=True, size=size)
        report.grow("polls a second by bytes of result", size, blast(ours.job_url(job), folder, 1).rate)
