"""What is measured, and the figure that each is to reach: the rows of the table that `make bench` prints."""

from dataclasses import dataclass
from enum import StrEnum


class Verdict(StrEnum):
    """Whether a goal was reached."""

    MET = "met"
    MISSED = "missed"
    NOT_MEASURED = "not measured"


@dataclass(frozen=True, slots=True)
class Goal:
    """A row: the figure is to be at least, or at most, `limit`."""

    name: str
    limit: float
    unit: str
    is_least: bool = False

    def verdict(self, figure: float | None) -> Verdict:
        if figure is None:
            return Verdict.NOT_MEASURED
        reached = figure >= self.limit if self.is_least else figure <= self.limit
        return Verdict.MET if reached else Verdict.MISSED

    def text(self) -> str:
        return f"{'≥' if self.is_least else '≤'} {self.limit:g} {self.unit}"


GOALS: dict[str, Goal] = {
    "poll": Goal("poll of a finished job, 32 connections", 0.85, "of the bare handler's rate", is_least=True),
    "submit": Goal(
        "submit of a job that does nothing, run to its end", 0.45, "of a bare POST", is_least=True
    ),
    "submit_journal": Goal("the same, with the journal", 0.30, "of a bare POST", is_least=True),
    "journal_start": Goal(
        "10,000 finished jobs in the journal: start to the first 200", 0.5, "s more than without"
    ),
    "push": Goal("push: the last of 1,000 listeners of one job has the frame", 1.2, "x a bare loop of sends"),
    "push_5000": Goal("push: 5,000 listeners", 6, "x 1,000 listeners"),
    "push_stall": Goal("the loop is blocked meanwhile", 20, "ms"),
    "socket_memory": Goal("memory of an idle websocket", 20, "kB"),
    "job_memory": Goal("memory of a kept job with 700 B of result", 3, "kB"),
    "expiry": Goal("100,000 jobs expire: the loop stalls", 5, "ms"),
    "list": Goal("list of 20 among 100,000 jobs, any filter, any cursor", 2, "x among 100"),
    "reports": Goal(
        "polls while 8 jobs with 100 listeners each report 1,000 times a second",
        0.5,
        "of their rate",
        is_least=True,
    ),
    "fetch": Goal("fetch of 50 pages, upstream latency 0.3 s, 6 at once", 1.10, "x latency x (1 + ⌈49 / 6⌉)"),
    "refusals": Goal("upstream allows 20 requests per 8 s, 40 pages: answers of 429", 1, "answers"),
    "window": Goal("the same fetch's time", 1.15, "x the least time the window allows"),
    "start": Goal("import and start to the first 200", 0.6, "s"),
    "help": Goal("`--help`", 0.2, "s"),
    "loans": Goal("1,000 loans: parse to the result's bytes", 8, "ms"),
    "new_loans": Goal("the same, their teasers never read before", 8, "ms"),
    "pg_push": Goal("PostgreSQL: from a report in a worker to the frame of a web, median", 20, "ms"),
    "pg_submit": Goal("PostgreSQL: submit among 1,000,000 jobs", 1.5, "x among 1,000"),
    "pg_get": Goal("PostgreSQL: get among 1,000,000 jobs", 1.5, "x among 1,000"),
    "pg_list": Goal("PostgreSQL: list among 1,000,000 jobs, any filter, any cursor", 1.5, "x among 1,000"),
    "pg_reap": Goal("PostgreSQL: 20 jobs expire among 1,000,000", 1.5, "x among 1,000"),
}
