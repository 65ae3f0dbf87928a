"""Push to many listeners of one job: how long until the last has the frame, and whether the loop stalls."""

import time
from collections.abc import Sequence
from contextlib import ExitStack
from statistics import median

from tests.benchmarks.listeners import Listeners, lag_seconds, listening, stop_looking
from tests.benchmarks.report import Report
from tests.benchmarks.rival import Rival
from tests.benchmarks.servers import Served, ask

_PAUSE = 0.12  # progress is merged to ten revisions a second


def measure(report: Report, ours: Served, bare: Served, rivals: Sequence[Rival], quick: bool) -> None:
    """1,000 listeners of each in turns, then more and fewer of ours."""
    rounds = 5 if quick else 25
    job = ours.start_job("stage")
    events = f"{ours.url}{job['links']['events']}"
    try:
        thousand = _thousand(report, events, ours, bare, rivals, rounds)
        _growth(report, events, ours, thousand, rounds)
    finally:
        ask(ours.job_url(job), "DELETE")


def _thousand(
    report: Report, events: str, ours: Served, bare: Served, rivals: Sequence[Rival], rounds: int
) -> float:
    with ExitStack() as stack:
        sockets: dict[str, tuple[Listeners, int]] = {
            "ours": (stack.enter_context(listening(events, 1000)), ours.port),
            "bare": (stack.enter_context(listening(f"{bare.url}/ws", 1000)), bare.port),
        }
        for rival in rivals:
            if (url := rival.listen_url()) is not None:
                sockets[rival.name] = stack.enter_context(listening(url, 1000)), rival.port
        times: dict[str, list[float]] = {name: [] for name in sockets}
        for listeners, _ in sockets.values():
            listeners.drain()
        for _ in range(rounds):
            for name, (listeners, port) in sockets.items():
                times[name].append(listeners.time_to_all(port))
                time.sleep(_PAUSE)
    middle = {name: median(series) for name, series in times.items()}
    report.set("push", middle["ours"] / middle["bare"])
    for name, seconds in middle.items():
        if name != "bare":
            report.compare("push", name, middle["bare"] / seconds)
    return middle["ours"]


def _growth(report: Report, events: str, ours: Served, thousand: float, rounds: int) -> None:
    what = "ms to the last listener by listeners"
    with listening(events, 100) as listeners:
        report.grow(what, 100, _middle(listeners, ours, rounds) * 1000)
    report.grow(what, 1000, thousand * 1000)
    with listening(events, 5000) as listeners:
        five_thousand = _middle(listeners, ours, rounds)
        report.grow(what, 5000, five_thousand * 1000)
        report.set("push_5000", five_thousand / thousand)
        lag_seconds(ours.port)
        time.sleep(_PAUSE)
        quiet = lag_seconds(ours.port)
        _middle(listeners, ours, rounds)
        report.set("push_stall", lag_seconds(ours.port) * 1000)
        report.note(f"a loop that rests for {_PAUSE:g} s is late by {quiet * 1000:.1f} ms at worst")
        stop_looking(ours.port)


def _middle(listeners: Listeners, ours: Served, rounds: int) -> float:
    listeners.drain()
    times = []
    for _ in range(rounds):
        times.append(listeners.time_to_all(ours.port))
        time.sleep(_PAUSE)
    return median(times)
