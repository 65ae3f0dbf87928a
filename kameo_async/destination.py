"""A file that is there whole or not at all, and whose trouble is found before the work that fills it."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class NotWritableError(Exception):
    """One line for people that names the file."""


def check(path: Path) -> None:
    """Whether `save` will find its place there, by making a file beside it. Raises NotWritableError."""
    with _told(path):
        if not _is_written_through(path):
            beside = _beside(path.resolve())
            beside.touch(0o600, exist_ok=False)
            beside.unlink()


def save(path: Path, content: bytes) -> None:
    """A file is replaced in one step; what is none, such as a pipe or a device, is only written to.

    Who may read it stays as it was. Raises NotWritableError.
    """
    with _told(path):
        if _is_written_through(path):
            path.write_bytes(content)
        else:
            _replace(path.resolve(), content)


def _is_written_through(path: Path) -> bool:
    if path.is_dir():
        raise IsADirectoryError(0, "it is a folder")
    return path.exists() and not path.is_file()


def _replace(path: Path, content: bytes) -> None:
    beside = _beside(path)
    try:
        with beside.open("xb") as file:
            if path.exists():
                shutil.copymode(path, beside)
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)


def _beside(path: Path) -> Path:
    """A name that is free; what a killed process of the same number left there goes."""
    beside = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    beside.unlink(missing_ok=True)
    return beside


@contextmanager
def _told(path: Path) -> Iterator[None]:
    try:
        yield
    except (OSError, RuntimeError) as error:  # before Python 3.13 links in a ring are the latter
        reason = getattr(error, "strerror", None) or "its links lead in a ring"
        raise NotWritableError(f"{path}: cannot be written ({reason})") from error
