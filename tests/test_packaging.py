"""What is published: the wheel, the sdist, and an installation of them elsewhere."""

import os
import subprocess
import sys
import sysconfig
import tarfile
from email import message_from_bytes
from pathlib import Path
from zipfile import ZipFile

import pytest

from kameo_async import __version__

ROOT = Path(__file__).parent.parent
QUIET = ("--quiet", "--disable-pip-version-check", "--no-index", "--no-deps")


def _run(*command: str | Path, folder: Path) -> str:
    """What the command prints; nothing of this checkout is on its path."""
    hidden = ("PYTHONPATH", "KAMEO", "COV_CORE", "COVERAGE")
    env = {name: value for name, value in os.environ.items() if not name.startswith(hidden)}
    done = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def _wheel_from(source: Path, folder: Path) -> Path:
    command = (sys.executable, "-m", "pip", "wheel", *QUIET, "--no-build-isolation", "-w", folder, source)
    _run(*command, folder=folder)
    (wheel,) = folder.glob("*.whl")
    return wheel


@pytest.fixture(scope="module")
def sdist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sdist of this checkout."""
    folder = tmp_path_factory.mktemp("sdist")
    _run(sys.executable, "-m", "hatchling", "build", "-t", "sdist", "-d", folder, folder=ROOT)
    (archive,) = folder.glob("*.tar.gz")
    return archive


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of this checkout."""
    return _wheel_from(ROOT, tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="module")
def python(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Python of a fresh environment with the wheel; what it depends on comes from this environment.

    The wheel goes in first, so that pip cannot meet, and replace, what is installed here.
    """
    folder = tmp_path_factory.mktemp("fresh")
    _run(sys.executable, "-m", "venv", "--without-pip", "venv", folder=folder)
    python = folder / "venv" / "bin" / "python"
    _run(sys.executable, "-m", "pip", "--python", python, "install", *QUIET, wheel, folder=folder)
    (site,) = (folder / "venv" / "lib").glob("python*/site-packages")
    (site / "borrowed.pth").write_text(sysconfig.get_path("purelib"))
    return python


def _names(wheel: Path) -> set[str]:
    with ZipFile(wheel) as archive:
        return {name for name in archive.namelist() if ".dist-info/" not in name}


def test_the_wheel_holds_the_package_and_the_page(wheel: Path) -> None:
    """Every module, every file of the page and the mark of types are in the wheel, and nothing else."""
    modules = {str(path.relative_to(ROOT)) for path in (ROOT / "kameo_async").rglob("*.py")}
    page = {
        f"kameo_async/{path.relative_to(ROOT)}" for path in (ROOT / "static").rglob("*") if path.is_file()
    }
    assert "kameo_async/static/index.html" in page
    assert _names(wheel) == modules | page | {"kameo_async/py.typed"}


def test_the_wheel_says_what_it_is(wheel: Path) -> None:
    """Name, version, licence, the least Python and the command stand in the metadata."""
    info = f"kameo_async-{__version__}.dist-info"
    with ZipFile(wheel) as archive:
        metadata = message_from_bytes(archive.read(f"{info}/METADATA"))
        commands = archive.read(f"{info}/entry_points.txt").decode()
        licence = archive.read(f"{info}/licenses/LICENSE").decode()
    found = [metadata[name] for name in ("Name", "Version", "License-Expression", "Requires-Python")]
    assert found == ["kameo-async", __version__, "MIT", ">=3.11"]
    assert commands == "[console_scripts]\nkameo-async = kameo_async.cli:main\n"
    assert licence == (ROOT / "LICENSE").read_text("utf-8")


def test_a_wheel_from_the_sdist_is_the_same(sdist: Path, wheel: Path, tmp_path: Path) -> None:
    """Who builds from the sdist gets the same files, the page included."""
    with ZipFile(wheel) as ours, ZipFile(_wheel_from(sdist, tmp_path)) as theirs:
        assert {one: ours.read(one) for one in ours.namelist()} == {
            one: theirs.read(one) for one in theirs.namelist()
        }


def test_the_sdist_holds_only_what_is_meant(sdist: Path) -> None:
    """What lies about in a checkout, such as a `.env` with secrets, is not published."""
    with tarfile.open(sdist) as archive:
        found = {name.split("/")[1] for name in archive.getnames()}
    tops = {"kameo_async", "static", "tests", "deploy", ".ci", "Makefile", "CHANGES.md", "README.md"}
    assert found == tops | {"LICENSE", "pyproject.toml", "setup.cfg", ".gitignore", "PKG-INFO"}


def test_the_installed_package_is_complete(python: Path, tmp_path: Path) -> None:
    """Far from the checkout the package imports from where it was installed and finds its page."""
    code = (
        "import kameo_async, kameo_async.app\n"
        "print(kameo_async.__file__)\n"
        "print((kameo_async.app.static_folder() / 'index.html').resolve())"
    )
    module, page = _run(python, "-c", code, folder=tmp_path).split()
    site = next((python.parent.parent / "lib").glob("python*/site-packages"))
    assert Path(module) == site / "kameo_async" / "__init__.py"
    assert Path(page) == site / "kameo_async" / "static" / "index.html"


def test_the_installed_command_runs(python: Path, tmp_path: Path) -> None:
    """The command works in an empty folder and says its version."""
    assert __version__ in _run(python.with_name("kameo-async"), "--version", folder=tmp_path)
