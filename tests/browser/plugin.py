"""A kind from elsewhere, as an installed package brings it."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

CODE = """
from typing import Literal

from pydantic import BaseModel, Field


class Row(BaseModel):
    word: str
    length: int


class Echo:
    kind = "echo"
    title = "Say it again"
    description = "Returns the text, a word at a time."
    table = "rows"

    class Params(BaseModel):
        text: str = Field(max_length=40, description="what to say")
        times: int = Field(1, ge=1, le=3)
        voice: Literal["low", "high"] = "low"
        loud: bool = False

    class Result(BaseModel):
        text: str
        rows: list[Row]

    async def run(self, params, report):
        words = params.text.split() * params.times
        for n, word in enumerate(words, 1):
            await report(n, len(words), unit="words", message=word)
        text = " ".join(words)
        text = text.upper() if params.loud else text
        return self.Result(text=text, rows=[Row(word=word, length=len(word)) for word in words])
"""


@contextmanager
def plugin_installed(folder: Path) -> Iterator[None]:
    """Services that are made meanwhile have the kind."""
    about = folder / "echo_of_the_page-1.0.dist-info"
    about.mkdir()
    (folder / "echo_of_the_page.py").write_text(CODE)
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: echo-of-the-page\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text("[kameo_async.kinds]\necho = echo_of_the_page:Echo\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(folder)
        yield
