"""Submits of a job that does nothing, run to its end: with and without the journal, and the rivals'."""

import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from statistics import median

from tests.benchmarks.load import blast, in_turns, ratio
from tests.benchmarks.report import Report
from tests.benchmarks.rival import Rival
from tests.benchmarks.servers import Served


def measure(
    report: Report,
    ours: Served,
    kept: Served,
    bare: Served,
    rivals: Sequence[Rival],
    folder: Path,
    quick: bool,
) -> None:
    """`ours` without, `kept` with the journal."""
    rounds, seconds = (2, 1) if quick else (4, 2)
    measures: dict[str, Callable[[], float]] = {
        "bare": lambda: blast(f"{bare.url}/job", folder, seconds, "POST").rate,
        "ours": lambda: _to_the_end(f"{ours.url}/api/jobs/nothing", ours.rest, folder, seconds),
        "ours, journal": lambda: _to_the_end(f"{kept.url}/api/jobs/nothing", kept.rest, folder, seconds),
    }
    for rival in rivals:
        measures[rival.name] = partial(_to_the_end, rival.submit_url(), rival.rest, folder, seconds)
    figures = in_turns(rounds, measures)
    report.set("submit", ratio(figures["ours"], figures["bare"]))
    report.set("submit_journal", ratio(figures["ours, journal"], figures["bare"]))
    for name in figures:
        if name != "bare":
            report.compare("submit", name, ratio(figures[name], figures["bare"]))
    report.rates["submit"] = {name: median(rates) for name, rates in figures.items()}


def _to_the_end(url: str, rest: Callable[[], None], folder: Path, seconds: int) -> float:
    """Jobs a second that were accepted and have ended: the clock stops with the last one."""
    began = time.perf_counter()
    load = blast(url, folder, seconds, "POST")
    rest()
    return (load.requests - load.refused) / (time.perf_counter() - began)
