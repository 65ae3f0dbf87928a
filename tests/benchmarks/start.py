"""How long a start takes: to the first 200, with jobs to bring back, and for `--help`."""

import subprocess
import sys
import time
from pathlib import Path
from statistics import median

from tests.benchmarks.load import in_turns
from tests.benchmarks.machine import SERVER_CORE, free_port, on_server_core, stop, wait_for
from tests.benchmarks.report import Report
from tests.benchmarks.state import write_jobs

JOURNALED = 10_000


def measure(report: Report, folder: Path, quick: bool) -> None:
    """Each in turns with the others."""
    many, empty = write_jobs(folder / "start.sqlite3", JOURNALED), write_jobs(folder / "empty.sqlite3", 0)
    figures = in_turns(
        2 if quick else 5,
        {
            "empty": lambda: _seconds_to_200(folder, empty),
            "many": lambda: _seconds_to_200(folder, many),
            "help": _seconds_to_help,
        },
    )
    start = median(figures["empty"])
    report.set("start", start)
    report.set("journal_start", median(figures["many"]) - start)
    report.set("help", median(figures["help"]))


def _seconds_to_200(folder: Path, state: Path) -> float:
    port = free_port()
    command = (sys.executable, "-m", "kameo_async", "serve", "--port", str(port))
    log = folder / f"start-{port}.log"
    began = time.perf_counter()
    process = on_server_core(command, log, KAMEO_ASYNC_STATE_FILE=str(state))
    try:
        wait_for(f"http://127.0.0.1:{port}/api/ready", process, log, pause=0.002)
        return time.perf_counter() - began
    finally:
        stop(process)


def _seconds_to_help() -> float:
    began = time.perf_counter()
    command = ("taskset", "-c", str(SERVER_CORE), sys.executable, "-m", "kameo_async", "--help")
    subprocess.run(command, stdout=subprocess.DEVNULL, check=True)
    return time.perf_counter() - began
