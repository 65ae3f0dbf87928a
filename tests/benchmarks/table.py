"""The table that a run prints, and the JSON that it leaves."""

import json
import subprocess
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tests.benchmarks.goals import GOALS, Verdict
from tests.benchmarks.machine import description
from tests.benchmarks.report import Report


def lines(report: Report) -> list[str]:
    """A row for every goal, in Markdown; a mark where one was missed."""
    rows = [
        (goal.name, goal.text(), _short(report.figures.get(key)), goal.verdict(report.figures.get(key)))
        for key, goal in GOALS.items()
    ]
    head = [("what", "goal", "figure", "verdict")]
    widths = [max(len(str(row[column])) for row in head + rows) for column in range(4)]
    text = [
        "| " + " | ".join(str(cell).ljust(width) for cell, width in zip(row, widths, strict=True)) + " |"
        for row in head + rows
    ]
    return [text[0], "|" + "|".join("-" * (width + 2) for width in widths) + "|", *text[1:]]


def missed(report: Report) -> list[str]:
    """The goals that were missed."""
    return [key for key, goal in GOALS.items() if goal.verdict(report.figures.get(key)) is Verdict.MISSED]


def document(report: Report, seconds: float) -> dict[str, Any]:
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


def write(path: Path, found: dict[str, Any]) -> None:
    """As JSON that people can read too."""
    path.write_text(json.dumps(_rounded(found), indent=2, ensure_ascii=False) + "\n")


def _short(figure: float | None) -> str:
    return "-" if figure is None else f"{figure:.3g}"


def _rounded(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _rounded(one) for name, one in value.items()}
    return float(f"{value:.4g}") if isinstance(value, float) else value


def _commit() -> str:
    command = ("git", "describe", "--always", "--dirty")
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=Path(__file__).parent)
    return done.stdout.strip()
