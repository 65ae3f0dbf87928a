"""DELETE: the job is cancelled, once its task has really stopped."""

import asyncio
from typing import Any

import pytest
from pydantic import BaseModel

from kameo_async import Report
from tests.contract.asking import problem, until
from tests.service import Service, running_service


async def test_a_running_job_is_cancelled_once_its_task_has_stopped(service: Service) -> None:
    """200 with the document, cancelled, without an error; nothing of it runs any more."""
    job = await service.running()
    async with service.client.delete(job["links"]["self"]) as answer:
        cancelled = await answer.json()
        assert answer.status == 200
        assert answer.headers["ETag"] == f'"{cancelled["revision"]}"'
    assert service.gate.running == 0
    assert cancelled["status"] == "cancelled"
    assert [cancelled[name] for name in ("data", "error", "error_code", "retryable")] == [None] * 4
    assert await service.get(job) == cancelled


class Slow:
    """Takes as long to stop as the test lets it."""

    kind = "slow"
    title = "Slow to stop"
    description = "Cleans up for a while."

    class Params(BaseModel):
        pass

    Result = Params

    def __init__(self) -> None:
        self.is_running = asyncio.Event()
        self.cleaned = asyncio.Event()

    async def run(self, params: Params, report: Report) -> Params:
        self.is_running.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            await self.cleaned.wait()
            raise
        return params


async def test_the_answer_waits_for_the_task() -> None:
    """While a kind cleans up, DELETE waits and the job is not cancelled yet; two wait for the same end."""
    kind = Slow()
    async with running_service([kind]) as service:
        job = await service.start("slow")
        await kind.is_running.wait()
        deletes = [asyncio.create_task(delete(service, job["links"]["self"])) for _ in range(2)]
        await until(lambda: service.clock.timers > 2)
        assert (await service.get(job))["status"] == "running"
        assert not any(task.done() for task in deletes)
        kind.cleaned.set()
        first, second = await asyncio.gather(*deletes)
        assert first == second
        assert (first[0], first[1]["status"]) == (200, "cancelled")


async def delete(service: Service, path: str) -> tuple[int, dict[str, Any]]:
    async with service.client.delete(path) as answer:
        return answer.status, await answer.json()


async def test_a_kind_that_will_not_stop_is_abandoned() -> None:
    """After 5 s the job ends cancelled all the same, and never changes after."""
    kind = Slow()
    async with running_service([kind]) as service:
        job = await service.start("slow")
        await kind.is_running.wait()
        asking = asyncio.create_task(delete(service, job["links"]["self"]))
        await until(lambda: service.clock.timers > 2)
        await service.clock.advance(5.1)
        status, cancelled = await asking
        assert (status, cancelled["status"]) == (200, "cancelled")
        kind.cleaned.set()
        await service.clock.advance(1)
        assert await service.get(job) == cancelled


async def test_a_pending_job_is_cancelled_and_never_starts() -> None:
    """A job that waits is out of the queue at once."""
    async with running_service(max_running_jobs=1) as service:
        first, second = await service.running("first"), await service.start(name="second")
        status, cancelled = await delete(service, second["links"]["self"])
        assert (status, cancelled["status"], cancelled["started_at"]) == (200, "cancelled", None)
        await delete(service, first["links"]["self"])
        await service.running("third")
        assert service.gate.started == ["first", "third"]


async def test_a_second_delete_is_the_same(service: Service) -> None:
    """Again on a cancelled job: 200 and the very same document."""
    job = await service.running()
    answers = [await delete(service, job["links"]["self"]) for _ in range(3)]
    assert answers[0][0] == 200
    assert answers[0] == answers[1] == answers[2]


async def test_deletes_at_once_all_get_the_same(service: Service) -> None:
    """Ten at once: ten times 200 and one revision."""
    job = await service.running()
    answers = await asyncio.gather(*[delete(service, job["links"]["self"]) for _ in range(10)])
    assert all(answer == answers[0] for answer in answers)
    assert answers[0][0] == 200


@pytest.mark.parametrize("text", ["fine", "fail"])
async def test_a_finished_job_cannot_be_cancelled(service: Service, text: str) -> None:
    """409 without Retry-After, and the job is as it was."""
    job = await service.finished(text=text)
    async with service.client.delete(job["links"]["self"]) as answer:
        await problem(answer, 409)
        assert "Retry-After" not in answer.headers
    assert await service.get(job) == job


async def test_a_job_that_is_not_there_cannot_be_cancelled(service: Service) -> None:
    """404, also for a kind's name."""
    for name in ("nope", "gate"):
        async with service.client.delete(f"/api/jobs/{name}") as answer:
            assert (await problem(answer, 404))["detail"] == "Job not found"


async def test_once_accepted_a_job_can_end_no_other_way() -> None:
    """A kind that returns its result although it was cancelled has a cancelled job."""

    class Stubborn(Slow):
        kind = "stubborn"

        async def run(self, params: Slow.Params, report: Report) -> Slow.Params:
            self.is_running.set()
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                return params
            return params

    kind = Stubborn()
    async with running_service([kind]) as service:
        job = await service.start("stubborn")
        await kind.is_running.wait()
        _, cancelled = await delete(service, job["links"]["self"])
        assert (cancelled["status"], cancelled["data"]) == ("cancelled", None)


async def test_a_client_that_goes_away_does_not_call_off_its_cancel() -> None:
    """The job still ends cancelled when whoever asked for it did not wait."""
    kind = Slow()
    async with running_service([kind]) as service:
        job = await service.start("slow")
        await kind.is_running.wait()
        asking = asyncio.create_task(delete(service, job["links"]["self"]))
        await until(lambda: service.clock.timers > 2)
        asking.cancel()
        await asyncio.wait([asking])
        kind.cleaned.set()
        async with service.client.get(job["links"]["self"], headers={"Prefer": "wait=20"}) as answer:
            assert (await answer.json())["status"] == "cancelled"
