"""What a run brought: figures of goals, of rivals, of growth, and what is missing."""

from dataclasses import dataclass, field

from tests.benchmarks.goals import GOALS

Series = dict[str, float]


@dataclass(slots=True)
class Report:
    """Filled by the groups, one after another; keys of `figures` are those of GOALS."""

    figures: dict[str, float] = field(default_factory=dict)
    comparison: dict[str, Series] = field(default_factory=dict)  # what -> who -> x the bare handler
    growth: dict[str, Series] = field(default_factory=dict)  # what -> size -> figure
    rates: dict[str, Series] = field(default_factory=dict)  # what -> who -> a second, on this machine
    notes: list[str] = field(default_factory=list)

    def set(self, key: str, figure: float) -> None:
        """Raises KeyError for a goal that there is none of."""
        goal = GOALS[key]
        self.figures[key] = figure
        print(f"  {goal.name}: {figure:.3g} {goal.unit} ({goal.text()}): {goal.verdict(figure)}", flush=True)

    def compare(self, what: str, who: str, figure: float) -> None:
        self.comparison.setdefault(what, {})[who] = figure
        print(f"  {what}, {who}: {figure:.3g} x the bare handler", flush=True)

    def grow(self, what: str, size: object, figure: float) -> None:
        self.growth.setdefault(what, {})[str(size)] = figure
        print(f"  {what} at {size}: {figure:.3g}", flush=True)

    def note(self, text: str) -> None:
        self.notes.append(text)
        print(f"  {text}", flush=True)
