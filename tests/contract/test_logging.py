"""Log lines: those of a request, and of the job that it started, carry its id."""

from collections.abc import Iterator
from typing import Any

import pytest
import structlog
from pydantic import BaseModel

from kameo_async import Report
from tests.contract.asking import until
from tests.contract.kinds import Unsound
from tests.service import Gate, running_service


@pytest.fixture
def lines() -> Iterator[list[dict[str, Any]]]:
    """What is logged, as fields."""
    logged: list[dict[str, Any]] = []

    def keep(_: object, level: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
        logged.append({**event, "level": level})
        raise structlog.DropEvent

    structlog.configure(processors=[structlog.contextvars.merge_contextvars, keep])
    yield logged
    structlog.reset_defaults()


class Talker:
    """Logs on its own."""

    kind = "talker"
    title = "Talk"
    description = "Says something to the log."

    class Params(BaseModel):
        pass

    Result = Params

    async def run(self, params: Params, report: Report) -> Params:
        structlog.get_logger().info("talker.said")
        raise RuntimeError("hidden from clients")


def ids(lines: list[dict[str, Any]], event: str) -> list[str | None]:
    return [line.get("request_id") for line in lines if line["event"] == event]


async def test_a_job_logs_under_an_id_of_ours_where_the_client_has_none(lines: list[dict[str, Any]]) -> None:
    """The one that the answer carries."""
    async with running_service([Talker()]) as service:
        async with service.client.post("/api/jobs/talker") as answer:
            given = answer.headers["X-Request-ID"]
        await until(lambda: "job.finished" in [line["event"] for line in lines])
    for event in ("job.submitted", "talker.said", "job.finished"):
        assert ids(lines, event) == [given], event


async def test_a_job_logs_under_the_id_of_its_request(lines: list[dict[str, Any]]) -> None:
    """From the submit to the end, what the kind itself says and why it crashed included."""
    async with running_service([Talker()]) as service:
        headers = {"X-Request-ID": "mine", "Prefer": "wait=20"}
        async with service.client.post("/api/jobs/talker", headers=headers) as answer:
            assert (await answer.json())["error_code"] == "internal"
    for event in ("job.submitted", "job.started", "talker.said", "job.crashed", "job.finished"):
        assert ids(lines, event) == ["mine"], event
    assert "mine" in ids(lines, "http.answered")
    (crash,) = [line for line in lines if line["event"] == "job.crashed"]
    assert crash["exc_info"]


async def test_jobs_that_waited_log_under_their_own_ids(lines: list[dict[str, Any]]) -> None:
    """A job that another one's end let start does not take over that one's id."""
    gate = Gate()
    async with running_service([gate], max_running_jobs=1) as service:
        for name in ("a", "b", "c"):
            headers = {"X-Request-ID": f"request-{name}"}
            async with service.client.post(f"/api/jobs/gate?name={name}", headers=headers) as answer:
                assert answer.status == 202
        for name in ("a", "b", "c"):
            gate.gate(name).set()
        await until(lambda: service.jobs.active_jobs == 0)
    for event in ("job.submitted", "job.started", "job.finished"):
        assert ids(lines, event) == ["request-a", "request-b", "request-c"], event


@pytest.mark.parametrize("is_running", [True, False])
async def test_the_end_of_a_cancelled_job_is_logged_under_its_own_id(
    lines: list[dict[str, Any]], is_running: bool
) -> None:
    """Not under that of the request that cancelled it, whose own line has its own."""
    gate = Gate()
    async with running_service([gate], max_running_jobs=1) as service:
        if not is_running:
            await service.running("first")
        headers = {"X-Request-ID": "started-it"}
        async with service.client.post("/api/jobs/gate?name=x", headers=headers) as answer:
            job = await answer.json()
        if is_running:
            await until(lambda: "x" in gate.reports)
        headers = {"X-Request-ID": "cancelled-it"}
        async with service.client.delete(job["links"]["self"], headers=headers) as answer:
            assert answer.status == 200
        assert ids(lines, "job.finished") == ["started-it"]
    assert "cancelled-it" in ids(lines, "http.answered")


async def test_an_error_of_ours_is_logged_under_the_id_that_the_client_got(
    lines: list[dict[str, Any]],
) -> None:
    """The one line that has the cause."""
    async with running_service([Unsound()]) as service, service.client.post("/api/jobs/unsound") as answer:
        assert answer.status == 500
        request_id = answer.headers["X-Request-ID"]
    assert ids(lines, "http.crashed") == [request_id]
