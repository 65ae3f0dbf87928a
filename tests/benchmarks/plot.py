"""The plot: each goal's figure beside its limit, and the rivals beside the bare handler."""

from collections.abc import Iterator
from html import escape
from typing import Any

_WIDTH, _LEFT, _BAR, _STEP = 900, 430, 340, 24
_WORST = 2.0  # the axis ends at twice the limit
_COLOURS = {"met": "#2e7d32", "missed": "#c62828", "not measured": "#9e9e9e"}
_WHO = {"ours": "#1565c0", "ours, journal": "#5e92f3", "FastAPI": "#ef6c00", "SAQ": "#8e24aa"}
_STYLE = "text{font:13px system-ui,sans-serif;fill:#222}.h{font-weight:600;font-size:15px}.s{fill:#666}"


def svg(found: dict[str, Any]) -> str:
    """The document of a run as SVG."""
    parts: list[str] = []
    y = 30
    parts.append(_text(10, y, "Part of the limit that is used (less is better; the line is the goal)", "h"))
    y += 16
    top = y
    for row in found["rows"].values():
        parts.extend(_goal(row, y))
        y += _STEP
    line = _LEFT + _BAR / _WORST
    parts.append(f'<path d="M{line} {top}V{y}" stroke="#222" stroke-dasharray="4 3"/>')
    for what, series in found["comparison"].items():
        y += 26
        parts.append(_text(10, y, f"{what}: rate x the bare handler's (more is better)", "h"))
        y += 12
        for who, ratio in series.items():
            parts.extend(_bar(y, who, min(ratio, 1.5) / 1.5, f"{ratio:.2f}", _WHO.get(who, "#555")))
            y += _STEP
    body = "\n".join(parts)
    size = f'width="{_WIDTH}" height="{y + 10}" viewBox="0 0 {_WIDTH} {y + 10}"'
    style = f'<style>{_STYLE}</style><rect width="100%" height="100%" fill="#fff"/>'
    head = f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img">'
    return f"{head}\n<title>Performance</title>{style}\n{body}\n</svg>\n"


def _goal(row: dict[str, Any], y: float) -> Iterator[str]:
    figure, limit = row["figure"], row["limit"]
    if figure is None:
        used, text = 0.0, "not measured"
    else:
        used = limit / max(figure, 1e-9) if row["is_least"] else figure / limit
        text = f"{figure:.3g} ({row['goal']})"
    yield from _bar(y, row["name"], min(used, _WORST) / _WORST, text, _COLOURS[row["verdict"]])


def _bar(y: float, name: str, part: float, text: str, colour: str) -> Iterator[str]:
    width = max(1, _BAR * part)
    yield _text(10, y + 16, name)
    yield f'<rect x="{_LEFT}" y="{y + 3}" width="{width:.1f}" height="{_STEP - 6}" fill="{colour}"/>'
    yield _text(_LEFT + width + 6, y + 16, text, "s")


def _text(x: float, y: float, text: str, style: str = "") -> str:
    mark = f' class="{style}"' if style else ""
    return f'<text x="{x:.0f}" y="{y:.0f}"{mark}>{escape(text)}</text>'
