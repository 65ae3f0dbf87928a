"""The table that a run prints, and the JSON that it leaves."""

import json
import subprocess
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tests.benchmarks.goals import GOALS, Verdict
from tests.benchmarks.machine import description
from tests.benchmarks.report import Report

LARGE = 1000  # from here on digits before the point are all told

Found = dict[str, Any]  # all that a run found, as `performance.json` holds it


def lines(found: Found) -> list[str]:
    """A row for every goal, in Markdown, of what `document` gives."""
    rows = [
        (row["name"], row["goal"], _short(row["figure"]), row["verdict"]) for row in found["rows"].values()
    ]
    return _table(("what", "goal", "figure", "verdict"), rows)


def growth_lines(found: Found) -> list[str]:
    """How cost grows, and what others take for the same, in Markdown."""
    names = {name: None for of_what in found["comparison"].values() for name in of_what}
    others = [
        (name, *(_short(of_what.get(name)) for of_what in found["comparison"].values())) for name in names
    ]
    growth = [
        (what, "; ".join(f"{size}: {_short(figure)}" for size, figure in figures.items()))
        for what, figures in found["growth"].items()
    ]
    return [
        *_table(("x the bare handler", *found["comparison"]), others),
        "",
        *_table(("what", "figures"), growth),
    ]


def _table(head: tuple[str, ...], rows: list[tuple[Any, ...]]) -> list[str]:
    widths = [max(len(str(row[column])) for row in [head, *rows]) for column in range(len(head))]
    text = [
        "| " + " | ".join(str(cell).ljust(width) for cell, width in zip(row, widths, strict=True)) + " |"
        for row in [head, *rows]
    ]
    return [text[0], "|" + "|".join("-" * (width + 2) for width in widths) + "|", *text[1:]]


def missed(report: Report) -> list[str]:
    """The goals that were missed."""
    return [key for key, goal in GOALS.items() if goal.verdict(report.figures.get(key)) is Verdict.MISSED]


def document(report: Report, seconds: float) -> Found:
    """All of it, for programs."""
    rows = {
        key: {
            "name": goal.name,
            "goal": goal.text(),
            "limit": goal.limit,
            "is_least": goal.is_least,
            "figure": report.figures.get(key),
            "verdict": goal.verdict(report.figures.get(key)),
        }
        for key, goal in GOALS.items()
    }
    return {
        "measured_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": _commit(),
        "seconds": round(seconds),
        "machine": description(),
        "rows": rows,
        "comparison": report.comparison,
        "growth": report.growth,
        "rates": report.rates,
        "notes": report.notes,
    }


def write(folder: Path, found: Found) -> None:
    """`performance.json`, and the tables between the marks of `performance.md`."""
    rounded = _rounded(found)
    text = json.dumps(rounded, indent=2, ensure_ascii=False)
    (folder / "performance.json").write_text(f"{text}\n")
    page = folder / "performance.md"
    page.write_text(with_tables(page.read_text(), rounded))


def with_tables(page: str, found: Found) -> str:
    """The page with the tables of a run."""
    for mark, made in (("goals", lines(found)), ("growth", growth_lines(found))):
        start, end = f"<!-- {mark} -->\n", f"<!-- end of {mark} -->"
        before, rest = page.split(start)
        page = "".join([before, start, "\n".join(made), "\n", end, rest.split(end)[1]])
    return page


def _short(figure: float | None) -> str:
    if figure is None:
        return "-"
    return f"{figure:.3g}" if figure < LARGE else f"{figure:,.0f}"


def _rounded(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _rounded(one) for name, one in value.items()}
    return float(f"{value:.4g}") if isinstance(value, float) else value


def _commit() -> str:
    command = ("git", "describe", "--always", "--dirty")
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=Path(__file__).parent)
    return done.stdout.strip()
