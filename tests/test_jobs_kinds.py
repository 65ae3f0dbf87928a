"""Kinds that cannot be served, and params that do not fit, told in a sentence."""

from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from enum import Enum
from typing import Annotated, Any, Literal

import orjson
import pytest
from pydantic import BaseModel, ConfigDict, Field, RootModel, create_model

from kameo_async.jobs import document as documents
from kameo_async.jobs.document import accepted, decode, document, encode, summary
from kameo_async.jobs.errors import InvalidKindError, InvalidParamsError
from kameo_async.jobs.kind import by_name
from kameo_async.jobs.models import (
    Cancellation,
    Failure,
    Job,
    Progress,
    finish,
    new_job,
    report,
    requeue,
    start,
)
from kameo_async.jobs.params import canonical, restore, validate
from kameo_async.jobs.service import JobService
from kameo_async.web.schemas import check

NOW = datetime(2026, 1, 31, 12, 0, 0, 4567, tzinfo=UTC)


class Good:
    """A kind with all that one needs."""

    kind = "good"
    title = "Good"
    description = "Does nothing."

    class Params(BaseModel):
        """None."""

    class Result(BaseModel):
        """Rows."""

        rows: list[int] = []

    async def run(self, params: Params, report: Any) -> Result:
        return self.Result()


def good(**attributes: Any) -> Any:
    """A `Good` with some attributes replaced."""
    return type("Good", (Good,), attributes)()


def test_kinds_are_found_by_their_names() -> None:
    """Two of them, one with a table."""
    one, other = good(), good(kind="other-2", table="rows")
    assert by_name([one, other]) == {"good": one, "other-2": other}


@pytest.mark.parametrize(
    ("attributes", "complaint"),
    [
        ({"kind": "Good"}, "a name matches"),
        ({"kind": "ws"}, "is not 'ws'"),
        ({"kind": "good\n"}, "a name matches"),
        ({"kind": None}, "a name matches"),
        ({"title": None}, "has no title"),
        ({"description": 7}, "has no description"),
        ({"Params": dict}, "Params is no pydantic model"),
        ({"Result": None}, "Result is no pydantic model"),
        ({"Params": BaseModel}, "Params is no pydantic model of its own"),
        ({"Params": RootModel[list[int]]}, "Params is a list or the like: params have names"),
        ({"run": lambda self, params, report: None}, "has no `async def run"),
        ({"table": "loans"}, "no field 'loans'"),
    ],
)
def test_a_kind_that_cannot_be_served_is_named(attributes: dict[str, Any], complaint: str) -> None:
    """In one line, with its class."""
    with pytest.raises(InvalidKindError, match=complaint) as raised:
        by_name([good(**attributes)])
    assert "Good)" in str(raised.value)
    assert "\n" not in str(raised.value)


class Entered:
    """A kind's own way in."""

    def __init__(self, error: BaseException) -> None:
        self._error = error

    async def __aenter__(self) -> None:
        raise self._error

    async def __aexit__(self, *_: object) -> None: ...


@pytest.mark.parametrize("error", [OSError("no disk\nat all"), SystemExit("no disk\nat all")])
async def test_a_kind_that_cannot_be_entered_is_named(error: BaseException) -> None:
    """In one line, as one that cannot be loaded."""
    kind = type("Shut", (Entered, Good), {})(error)
    with pytest.raises(InvalidKindError) as raised:
        async with JobService([kind]):
            pass
    assert str(raised.value) == f"kind 'good': cannot be entered ({type(error).__name__}: no disk at all)"


@pytest.mark.parametrize("field", [int, dict[str, int], str])
def test_a_table_must_hold_rows(field: Any) -> None:
    """A field that is no array stops the start, instead of the first export."""
    kind = good(Result=create_model("Result", rows=(field, ...)), table="rows")
    with pytest.raises(InvalidKindError, match="kind 'good': its result's 'rows' is no array of rows"):
        check(kind)
    check(good(Result=create_model("Result", rows=(list[int] | None, ...)), table="rows"))


def test_a_taken_name_is_named() -> None:
    """The second kind of one name stops the start."""
    with pytest.raises(InvalidKindError, match="kind 'good': the name is taken"):
        by_name([good(), good()])


class Params(BaseModel):
    """Of all sorts."""

    limit: int = Field(12, ge=1, le=100)
    page: int = Field(1, ge=1)
    most: int | None = Field(None, le=9)
    countries: list[Literal["SE", "NO"]] = ["SE"]
    at: datetime | None = None
    name: Annotated[str, Field(max_length=5)] = "a"
    is_new: bool = False


@pytest.mark.parametrize(
    ("values", "name", "message"),
    [
        ({"limit": 0}, "limit", "Limit must be between 1 and 100"),
        ({"limit": 101}, "limit", "Limit must be between 1 and 100"),
        ({"page": 0}, "page", "Page must be >= 1"),
        ({"most": 10}, "most", "Most must be <= 9"),
        ({"limit": "3"}, "limit", "Limit must be an integer"),
        ({"limit": True}, "limit", "Limit must be an integer"),
        ({"limit": 1.5}, "limit", "Limit must be an integer"),
        ({"countries": "SE"}, "countries", "Countries must be an array"),
        ({"countries": ["SE", "DK"]}, "countries", "Countries must be 'SE' or 'NO'"),
        ({"name": "abcdef"}, "name", "Name must have at most 5 characters"),
        ({"is_new": 1}, "is_new", "Is new must be true or false"),
        ({"size": 1}, "size", "Unknown parameter: size"),
    ],
)
def test_params_that_do_not_fit(values: dict[str, Any], name: str, message: str) -> None:
    """One sentence for people, under the param's name."""
    with pytest.raises(InvalidParamsError) as raised:
        validate(Params, values)
    assert [(problem.name, problem.message) for problem in raised.value.problems] == [(name, message)]
    assert str(raised.value) == message


def test_equal_params_are_equal_bytes() -> None:
    """After defaults, in whatever order, and back again."""
    one = validate(Params, {"page": 2, "limit": 12, "at": "2026-01-31T12:00:00Z"})
    other = validate(Params, {"at": "2026-01-31T12:00:00Z", "page": 2})
    assert canonical(one) == canonical(other)
    assert restore(Params, canonical(one)) == one


class Color(Enum):
    """Not JSON by itself."""

    RED = "red"


class Result(BaseModel):
    """Of all sorts."""

    model_config = ConfigDict(arbitrary_types_allowed=True)

    amounts: list[Decimal] = [Decimal("0.1000"), Decimal(100000), Decimal("NaN"), Decimal("1E+5")]
    times: list[datetime] = [NOW, NOW.replace(tzinfo=None), NOW.astimezone(timezone(timedelta(hours=1)))]
    by_number: dict[int, Color] = {1: Color.RED}
    text: str = "å"


def test_a_result_keeps_every_digit() -> None:
    """Decimals as they are, times in RFC 3339, and nothing that JSON has no form for."""
    encoded = encode(Result())
    assert encoded == (
        b'{"amounts":[0.1000,100000,null,1E+5],"times":["2026-01-31T12:00:00.004567Z",'
        b'"2026-01-31T12:00:00.004567Z","2026-01-31T13:00:00.004567+01:00"],"by_number":{"1":"red"},'
        b'"text":"\xc3\xa5"}'
    )
    assert decode(encoded)["amounts"][0] == Decimal("0.1000")


def a_job(result: bytes = b'{"x":1}') -> Job:
    """A job that succeeded."""
    job = start(new_job("good", b"{}", NOW), NOW)
    return finish(job, result, Progress(3, 7, "pages", "Page 3"), NOW, 60)


def test_the_document_is_the_contracts() -> None:
    """Every field, in its place, `data` as it was encoded."""
    job = a_job()
    assert orjson.loads(document(job)) == {
        "job_id": job.job_id,
        "kind": "good",
        "status": "success",
        "progress": {"done": 3, "total": 7, "unit": "pages", "message": "Page 3"},
        "data": {"x": 1},
        "error": None,
        "error_code": None,
        "retryable": None,
        "revision": 3,
        "attempt": 1,
        "created_at": "2026-01-31T12:00:00.004Z",
        "started_at": "2026-01-31T12:00:00.004Z",
        "updated_at": "2026-01-31T12:00:00.004Z",
        "finished_at": "2026-01-31T12:00:00.004Z",
        "expires_at": "2026-01-31T12:01:00.004Z",
        "links": {
            "self": f"/api/jobs/{job.job_id}",
            "events": f"/api/jobs/{job.job_id}/ws",
            "result": f"/api/jobs/{job.job_id}/result",
        },
    }
    assert orjson.loads(summary(job))["data"] is None
    assert orjson.loads(accepted(job))["data"] == {
        "job_id": job.job_id,
        "message": "Job started successfully",
    }


def test_a_document_is_made_once_for_everybody() -> None:
    """And no more bytes are remembered than fit, however many jobs are asked for."""
    job = a_job()
    assert document(job) is document(job)
    assert summary(job) is summary(job)
    for _ in range(40):
        document(a_job(b'"' + b"x" * 1_000_000 + b'"'))
    remembered = documents._whole
    assert sum(map(len, remembered._made.values())) <= documents._REMEMBERED_BYTES
    assert document(job) == document(job)


def test_an_attempt_that_begins_again_has_no_past() -> None:
    """Several machines: from running back to pending, its progress and start gone; from elsewhere nothing."""
    running = report(start(new_job("good", b"{}", NOW), NOW), Progress(1), NOW)
    again = requeue(running, NOW)
    assert (again.status, again.attempt, again.revision) == ("pending", 2, 4)
    assert (again.progress, again.started_at) == (None, None)
    assert requeue(again, NOW) is again
    ended = finish(again, Failure("x", "y"), None, NOW, 1)
    assert requeue(ended, NOW) is ended


@pytest.mark.parametrize(
    "outcome", [b"{}", Failure("a", "b"), Cancellation(), Cancellation(Failure("c", "d"))]
)
def test_a_terminal_job_refuses_every_transition(outcome: Any) -> None:
    """By returning itself; and a pending job cannot succeed."""
    for ended in (a_job(), finish(new_job("good", b"{}", NOW), Cancellation(), None, NOW, 1)):
        assert finish(ended, outcome, Progress(9), NOW, 1) is ended
        assert start(ended, NOW) is ended
        assert report(ended, Progress(9), NOW) is ended
    pending = new_job("good", b"{}", NOW)
    assert (finish(pending, outcome, None, NOW, 1) is pending) == isinstance(outcome, bytes)
