"""The layout of the code: who may import whom, sizes and names."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = "kameo_async"
MAX_LINES = 300
FORBIDDEN_NAMES = frozenset({"util", "utils", "helper", "helpers", "common", "manager", "base"})

# The arrows: what each part of the package may import, beside itself. Leaves, such as the clock, know
# nobody; the package's own `__init__` stands for the names that it offers to authors of kinds.
JOBS = frozenset({"jobs", "clock"})
KINDS = JOBS | {"kinds", "kameo"}
APP = KINDS | {"app", "web", "engines", "log", "places", "settings", "export"}
ARROWS = {
    "__init__": frozenset({"jobs"}),
    "__main__": frozenset({"cli"}),
    "cli": APP | {"serve", "fetch", "check", "sandbox", "worker", "migrate"},
    "serve": APP | {"allocator", "sandbox"},
    "fetch": APP | {"ask", "destination", "serve", "sandbox"},
    "ask": frozenset({"kameo"}),
    "check": APP | {"sandbox"},
    "migrate": APP,
    "worker": APP | {"serve", "sandbox"},
    "app": APP,
    "web": JOBS | {"export", "log"},
    "kinds": KINDS,
    "engines": JOBS | {"engines", "kameo"},
    "jobs": JOBS,
    "kameo": frozenset({"clock"}),
    "sandbox": frozenset({"clock", "log"}),
    "settings": frozenset({"addresses"}),
    "addresses": frozenset(),
    "places": frozenset({"settings"}),
    "allocator": frozenset(),
    "destination": frozenset(),
    "clock": frozenset(),
    "log": frozenset(),
    "export": frozenset(),
}


def faults(root: Path) -> list[str]:
    """What is wrong with the package under `root`, a line each."""
    modules = sorted((root / PACKAGE).rglob("*.py"))
    return [fault for module in modules for fault in (*_bad_arrows(module, root), *_bad_form(module, root))]


def _bad_arrows(module: Path, root: Path) -> Iterator[str]:
    part = _part(module.relative_to(root).with_suffix("").parts)
    if part not in ARROWS:
        yield f"{module.relative_to(root)}: {part} has no place among the arrows"
        return
    for target in sorted(set(_imports(module, root)) - {part} - ARROWS[part]):
        yield f"{module.relative_to(root)}: {part} may not import {target}"


def _bad_form(module: Path, root: Path) -> Iterator[str]:
    text = module.read_text("utf-8")
    name = module.relative_to(root)
    if (lines := text.count("\n")) > MAX_LINES:
        yield f"{name}: {lines} lines, and {MAX_LINES} is the most"
    classes = [node.name for node in ast.walk(ast.parse(text)) if isinstance(node, ast.ClassDef)]
    for word in _words(*module.relative_to(root).with_suffix("").parts, *classes):
        if word in FORBIDDEN_NAMES:
            yield f"{name}: the name {word!r} says nothing"


def _words(*names: str) -> Iterator[str]:
    for name in names:
        yield from (word.lower() for word in re.findall(r"[A-Z]?[a-z0-9]+", name))


def _imports(module: Path, root: Path) -> Iterator[str]:
    """The parts that a module imports, wherever in it and in whatever form."""
    parts = module.relative_to(root).with_suffix("").parts
    for node in ast.walk(ast.parse(module.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from _ours(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            source = ".".join(parts[: len(parts) - node.level]) if node.level else ""
            start = ".".join(filter(None, (source, node.module or "")))
            yield from _ours(f"{start}.{alias.name}" for alias in node.names)


def _ours(names: Iterator[str]) -> Iterator[str]:
    for name in names:
        parts = tuple(name.split("."))
        if parts[0] == PACKAGE and parts != (PACKAGE, "__version__"):
            yield _part(parts)


def _part(parts: tuple[str, ...]) -> str:
    """The part that a dotted name belongs to; what is no module is a name of the package itself."""
    return parts[1] if len(parts) > 1 and (parts[1] in ARROWS or parts[1].islower()) else "__init__"


def _plant(root: Path, module: str, text: str) -> None:
    path = root / PACKAGE / module
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, "utf-8")


def test_the_code_keeps_to_the_layout() -> None:
    """Imports follow the arrows, modules are short, names say something."""
    assert faults(ROOT) == []


@pytest.mark.parametrize(
    ("module", "text", "target"),
    [
        ("jobs/store.py", "import kameo_async.web.routes", "web"),
        ("jobs/store.py", "import os, kameo_async.kinds as k", "kinds"),
        ("jobs/store.py", "from kameo_async.kameo.models import Loan", "kameo"),
        ("jobs/store.py", "from kameo_async import settings", "settings"),
        ("jobs/store.py", "from kameo_async import JobFailed", "__init__"),
        ("jobs/store.py", "from ..app import create_app", "app"),
        ("jobs/deep/store.py", "from ... import web", "web"),
        ("jobs/store.py", "def late():\n    from kameo_async.web import keys", "web"),
        ("jobs/store.py", "if TYPE_CHECKING:\n    from kameo_async.cli import main", "cli"),
        ("kameo/client.py", "from kameo_async.jobs.errors import JobFailed", "jobs"),
        ("sandbox/data.py", "from kameo_async.kameo.models import Loan", "kameo"),
        ("sandbox/data.py", "from kameo_async.jobs.kind import Report", "jobs"),
        ("web/handlers.py", "from kameo_async.kinds import KINDS", "kinds"),
        ("clock.py", "from kameo_async.log import configure", "log"),
    ],
)
def test_an_import_against_the_arrows_is_found(tmp_path: Path, module: str, text: str, target: str) -> None:
    """An import of what a part must not know is named, wherever it hides."""
    _plant(tmp_path, module, text)
    part = module.partition("/")[0].removesuffix(".py")
    assert faults(tmp_path) == [f"kameo_async/{module}: {part} may not import {target}"]


@pytest.mark.parametrize(
    ("module", "text"),
    [
        ("jobs/store.py", "from kameo_async.clock import Clock\nfrom .models import Job"),
        ("kinds/loans.py", "from kameo_async.kameo.client import KameoClient"),
        ("cli.py", "from kameo_async import __version__"),
        ("__init__.py", "from .jobs.errors import JobFailed"),
    ],
)
def test_an_import_along_the_arrows_is_fine(tmp_path: Path, module: str, text: str) -> None:
    """What the layout allows is no fault."""
    _plant(tmp_path, module, text)
    assert faults(tmp_path) == []


def test_a_part_without_a_place_is_found(tmp_path: Path) -> None:
    """A new part of the package must be given its arrows."""
    _plant(tmp_path, "extra.py", "")
    assert faults(tmp_path) == ["kameo_async/extra.py: extra has no place among the arrows"]


def test_a_long_module_is_found(tmp_path: Path) -> None:
    """A module of 300 lines is fine, one more is not."""
    _plant(tmp_path, "jobs/short.py", "\n" * 300)
    _plant(tmp_path, "jobs/long.py", "\n" * 301)
    assert faults(tmp_path) == ["kameo_async/jobs/long.py: 301 lines, and 300 is the most"]


@pytest.mark.parametrize(
    ("module", "text", "word"),
    [("jobs/job_utils.py", "", "utils"), ("jobs/store.py", "class JobManager: ...", "manager")],
)
def test_a_name_that_says_nothing_is_found(tmp_path: Path, module: str, text: str, word: str) -> None:
    """Neither a module nor a class is named after a drawer for odds and ends."""
    _plant(tmp_path, module, text)
    assert faults(tmp_path) == [f"kameo_async/{module}: the name {word!r} says nothing"]


def test_every_hook_is_run_by_make_check() -> None:
    """What runs before a commit also runs in `make check`."""
    hooks = re.findall(r"entry: make (\S+)", (ROOT / ".pre-commit-config.yaml").read_text("utf-8"))
    check = re.search(r"^check: ([\w -]+?) *##", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE)
    assert check is not None
    assert sorted(hooks) == sorted(check[1].split())
