"""`python -m tests.benchmarks`: measures, prints the table, and leaves JSON and a plot.

`--quick` is a rehearsal whose figures mean nothing; `--only polls,push` runs some groups; neither writes.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from tests.benchmarks import (
    fetch,
    kept,
    loans,
    memory,
    plot,
    polls,
    postgres,
    postgres_rows,
    push,
    reports,
    start,
    submits,
    table,
)
from tests.benchmarks.machine import NotThereError, pin_client
from tests.benchmarks.report import Report
from tests.benchmarks.rivals import running as rivals
from tests.benchmarks.servers import ROOT, floor, service

SIDE_BY_SIDE = ("polls", "submits", "push")
ALONE = ("reports", "memory", "kept", "fetch", "start", "loans", "postgres", "rows")
DOCS = ROOT / "docs"


def main(arguments: list[str] | None = None) -> int:
    """Gives 1 where a goal was missed."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--only", default="")
    asked = parser.parse_args(arguments)
    wanted = asked.only.split(",") if asked.only else [*SIDE_BY_SIDE, *ALONE]
    report, began = Report(), time.monotonic()
    pin_client()
    with tempfile.TemporaryDirectory(prefix="kameo-bench-") as name:
        measure(report, Path(name), wanted, quick=asked.quick)
    found = table.document(report, time.monotonic() - began)
    print("\n".join(["", *table.lines(found)]))
    if not asked.quick and not asked.only:
        table.write(DOCS, found)
        (DOCS / "performance.svg").write_text(plot.svg(found))
    return 1 if table.missed(report) else 0


def measure(report: Report, folder: Path, wanted: list[str], *, quick: bool) -> None:
    """One group after another; one that cannot be measured says why, and the others go on."""
    if set(wanted) & set(SIDE_BY_SIDE):
        _try(report, "servers", lambda: _side_by_side(report, folder, wanted, quick=quick))
    alone: dict[str, Callable[[], None]] = {
        "reports": lambda: reports.measure(report, folder, quick),
        "memory": lambda: memory.measure(report, folder, quick),
        "kept": lambda: kept.measure(report, folder, quick),
        "fetch": lambda: fetch.measure(report, folder),
        "start": lambda: start.measure(report, folder, quick),
        "loans": lambda: loans.measure(report, quick),
        "postgres": lambda: postgres.measure(report, folder, quick),
        "rows": lambda: postgres_rows.measure(report, quick),
    }
    for name in (name for name in ALONE if name in wanted):
        _try(report, name, alone[name])


def _side_by_side(report: Report, folder: Path, wanted: list[str], *, quick: bool) -> None:
    with ExitStack() as stack:
        ours = stack.enter_context(service(folder))
        kept_jobs = stack.enter_context(service(folder, folder / "jobs.sqlite3"))
        bare = stack.enter_context(floor(folder, ours))
        others = list(rivals.start(stack, folder, report.notes))
        if "polls" in wanted:
            _try(report, "polls", lambda: polls.measure(report, ours, bare, others, folder, quick))
            _try(report, "sizes", lambda: polls.measure_sizes(report, ours, folder))
        if "push" in wanted:
            _try(report, "push", lambda: push.measure(report, ours, bare, others, quick))
        if "submits" in wanted:
            _try(
                report,
                "submits",
                lambda: submits.measure(report, ours, kept_jobs, bare, others, folder, quick),
            )


def _try(report: Report, name: str, part: Callable[[], None]) -> None:
    print(f"{name}:", flush=True)
    began = time.monotonic()
    try:
        part()
    except NotThereError as error:
        report.note(f"{name}: {error}")
    print(f"  ({time.monotonic() - began:.0f} s)", flush=True)


if __name__ == "__main__":
    sys.exit(main())
