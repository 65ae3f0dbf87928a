"""Lines of the log in JSON: whatever is told there is one line, and who tells it goes on."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
import structlog
from pydantic import BaseModel

from kameo_async import Report
from kameo_async.log import json_line
from tests.engine_suite.puppet import in_time
from tests.service import running_service


class Unspeakable:
    def __str__(self) -> str:
        raise RuntimeError("no words")


class Cries:
    """Ends with an error whose text is no Unicode."""

    kind = "cries"
    title = "Cry"
    description = "Says what cannot be written."

    class Params(BaseModel):
        pass

    Result = Params

    async def run(self, params: Params, report: Report) -> Params:
        raise ValueError("x\ud800y")


@pytest.fixture
def lines() -> Iterator[list[str]]:
    """What is logged, as `serve` writes it."""
    written: list[str] = []

    def keep(_: object, __: str, line: Any) -> Any:
        written.append(line)
        raise structlog.DropEvent

    structlog.configure(processors=[structlog.stdlib.add_log_level, json_line, keep])
    yield written
    structlog.reset_defaults()


def _deep() -> list[Any]:
    value: list[Any] = []
    for _ in range(2000):
        value = [value]
    return value


def _endless() -> list[Any]:
    value: list[Any] = []
    value.append(value)
    return value


@pytest.mark.parametrize(
    ("value", "told"),
    [
        ("a\ud800å", "a\\ud800å"),
        (ValueError("\udfff"), "\\udfff"),
        (2**64, "18446744073709551616"),
        ({1: "a"}, "{1: 'a'}"),
        (_endless(), "[[...]]"),
        (_deep(), "list"),
        (10**5000, "int"),
        (Unspeakable(), "Unspeakable"),
    ],
    ids=["surrogate", "error", "large", "key", "endless", "deep", "larger", "unspeakable"],
)
def test_what_json_does_not_know_is_told_in_words(lines: list[str], value: object, told: str) -> None:
    """Or by its type, where it has none; the other fields stay as they are."""
    structlog.get_logger().info("kind.said", value=value, count=1)
    line = json.loads(lines.pop())
    assert (line["event"], line["level"], line["count"]) == ("kind.said", "info", 1)
    assert line["value"] == told
    assert line["timestamp"].endswith("Z")


async def test_an_error_that_cannot_be_written_ends_its_job_alone(lines: list[str]) -> None:
    """Its place is free for the next."""
    async with running_service([Cries()], max_running_jobs=1) as service:
        for _ in range(3):
            job = await in_time(service.finished("cries"))
            assert (job["status"], job["error_code"]) == ("failed", "internal")
    crashes = [line for line in map(json.loads, lines) if line["event"] == "job.crashed"]
    assert len(crashes) == 3
    assert "x\\ud800y" in crashes[0]["exception"]
