"""Files that are there whole or not at all."""

import os
from pathlib import Path

import pytest

from kameo_async import destination


def test_what_a_killed_process_left_is_in_nobodys_way(tmp_path: Path) -> None:
    """Numbers of processes come again, in containers soon."""
    path = tmp_path / "loans.csv"
    (tmp_path / f".loans.csv.{os.getpid()}.tmp").write_text("half of it")
    destination.check(path)
    destination.save(path, b"whole")
    assert [(one.name, one.read_bytes()) for one in tmp_path.iterdir()] == [("loans.csv", b"whole")]


def test_links_in_a_ring_are_one_line(tmp_path: Path) -> None:
    """The file is named, before and after the work."""
    path = tmp_path / "loans.csv"
    path.symlink_to(path)
    with pytest.raises(destination.NotWritableError, match=r"loans.csv: cannot be written \("):
        destination.check(path)
    with pytest.raises(destination.NotWritableError, match=r"loans.csv: cannot be written \("):
        destination.save(path, b"")
