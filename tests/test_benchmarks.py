"""The bench is whole: it can be run, and its table has a row for every goal. Nothing here is timed."""

import json
from importlib import import_module
from xml.etree import ElementTree

import pytest

from tests.benchmarks import plot, table
from tests.benchmarks.__main__ import DOCS
from tests.benchmarks.goals import GOALS, Verdict
from tests.benchmarks.report import Report

PARTS = ("__main__", "floor", "listeners", "load", "machine", "plugin.kameo_bench", "rivals.running", "state")

ROWS = (
    "poll of a finished job, 32 connections",
    "submit of a job that does nothing, run to its end",
    "the same, with the journal",
    "10,000 finished jobs in the journal: start to the first 200",
    "push: the last of 1,000 listeners of one job has the frame",
    "push: 5,000 listeners",
    "the loop is blocked meanwhile",
    "memory of an idle websocket",
    "memory of a kept job with 700 B of result",
    "100,000 jobs expire: the loop stalls",
    "list of 20 among 100,000 jobs, any filter, any cursor",
    "polls while 8 jobs with 100 listeners each report 1,000 times a second",
    "fetch of 50 pages, upstream latency 0.3 s, 6 at once",
    "upstream allows 20 requests per 8 s, 40 pages: answers of 429",
    "the same fetch's time",
    "import and start to the first 200",
    "`--help`",
    "1,000 loans: parse to the result's bytes",
    "the same, their teasers never read before",
    "PostgreSQL: from a report in a worker to the frame of a web, median",
    "PostgreSQL: submit among 1,000,000 jobs",
    "PostgreSQL: get among 1,000,000 jobs",
    "PostgreSQL: list among 1,000,000 jobs, any filter, any cursor",
    "PostgreSQL: 20 jobs expire among 1,000,000",
)


@pytest.mark.parametrize("part", PARTS)
def test_every_part_can_be_imported(part: str) -> None:
    """A part that a change elsewhere has broken is found without a run."""
    import_module(f"tests.benchmarks.{part}")


def test_the_table_names_every_row() -> None:
    """Each goal has its row, in order, also where nothing was measured."""
    lines = table.lines(table.document(Report(), 0))[2:]
    assert [line.split("|")[1].strip() for line in lines] == list(ROWS)
    assert all(Verdict.NOT_MEASURED in line for line in lines)


def test_a_figure_at_its_limit_is_met_and_beyond_it_missed() -> None:
    """A goal may be a least or a most."""
    assert [GOALS["poll"].verdict(figure) for figure in (0.85, 0.84)] == [Verdict.MET, Verdict.MISSED]
    assert [GOALS["start"].verdict(figure) for figure in (0.6, 0.61)] == [Verdict.MET, Verdict.MISSED]


def test_a_run_leaves_a_plot() -> None:
    """The plot is sound XML that names every goal and everybody who was compared."""
    report = Report()
    report.figures = {key: goal.limit for key, goal in GOALS.items() if key != "help"}
    report.comparison = {"poll": {"ours": 0.9, "FastAPI": 0.5}}
    found = json.loads(json.dumps(table.document(report, 1)))
    texts = [element.text for element in ElementTree.fromstring(plot.svg(found)).iter()]
    assert {*ROWS, "ours", "FastAPI", "not measured"} <= set(texts)


def test_the_page_tells_what_the_last_run_found() -> None:
    """Its tables are those of docs/performance.json, whose goals are the ones of today."""
    page, found = (DOCS / "performance.md").read_text(), json.loads((DOCS / "performance.json").read_text())
    assert table.with_tables(page, found) == page
    assert {key: (row["name"], row["goal"]) for key, row in found["rows"].items()} == {
        key: (goal.name, goal.text()) for key, goal in GOALS.items()
    }
