"""How jobs are cancelled, and what that may meet."""

import asyncio
from typing import Any

import pytest
from structlog.testing import capture_logs

from kameo_async.jobs.document import document
from kameo_async.jobs.errors import (
    JobFinishedError,
    JobNotFoundError,
)
from tests.clock import FakeClock, idle
from tests.engine_suite.conftest import Start
from tests.engine_suite.puppet import Puppet, ended, in_time, started


async def test_a_cancel_of_a_waiting_job_is_at_once(start: Start, puppet: Puppet) -> None:
    """It ends cancelled without having run, its slot in the queue is free, and again gives the same."""
    service = await start(puppet, max_running=1, max_pending=1)
    await started(service, puppet, "a")
    waiting = await service.submit("puppet", {"name": "b"})
    job = await in_time(service.cancel(waiting.job_id))
    assert (job.status, job.revision, job.started_at, job.failure) == ("cancelled", 2, None, None)
    assert document(await service.cancel(waiting.job_id)) == document(job)
    await service.submit("puppet", {"name": "c"})
    puppet["a"].finish()
    await in_time(puppet["c"].started.wait())
    assert puppet.order == ["a", "c"]


async def test_jobs_cancelled_before_their_first_step_are_no_loss(start: Start, puppet: Puppet) -> None:
    """Even where the first has expired by then; each end is told once, and their slots are free."""
    service = await start(puppet, max_running=2, max_kept_bytes=0)
    with capture_logs() as logs:
        for name in ("a", "b"):
            job = await service.submit("puppet", {"name": name})
            await in_time(service.cancel(job.job_id))
        await started(service, puppet, "c")
        await started(service, puppet, "d")
    assert [line for line in logs if line["log_level"] in ("error", "critical")] == []
    assert [line["status"] for line in logs if line["event"] == "job.finished"] == ["cancelled"] * 2


async def test_a_cancel_answers_once_the_task_has_stopped(start: Start, puppet: Puppet) -> None:
    """The kind has seen the cancel by then, and may not turn the end into another."""
    service = await start(puppet, max_running=1)
    job = await started(service, puppet)
    cancelled = await in_time(service.cancel(job.job_id))
    assert (cancelled.status, cancelled.failure, puppet["a"].cancels) == ("cancelled", None, 1)
    assert [await in_time(service.cancel(job.job_id)) for _ in range(2)] == [cancelled] * 2


async def test_a_cancel_of_a_job_that_ended_otherwise_is_refused(start: Start, puppet: Puppet) -> None:
    """And changes nothing."""
    service = await start(puppet)
    puppet["a"].finish()
    job = await ended(service, await service.submit("puppet"))
    with pytest.raises(JobFinishedError, match="success"):
        await service.cancel(job.job_id)
    assert await service.get(job.job_id) is job
    with pytest.raises(JobNotFoundError):
        await service.cancel("nope")


async def test_a_kind_that_will_not_stop_is_abandoned(start: Start, puppet: Puppet, clock: FakeClock) -> None:
    """After 5 s its slot is free and its job cancelled, for good, whatever it still does."""
    service = await start(puppet, max_running=1)
    puppet["a"].is_stubborn = True
    job = await started(service, puppet, "a")
    await service.submit("puppet", {"name": "b"})
    with capture_logs() as logs:
        cancel = asyncio.ensure_future(service.cancel(job.job_id))
        again = asyncio.ensure_future(service.cancel(job.job_id))
        await clock.advance(4.9)
        assert not cancel.done()
        assert not puppet["b"].started.is_set()
        await clock.advance(0.1)
        cancelled = await in_time(cancel)
        assert await in_time(again) is cancelled
    assert cancelled.status == "cancelled"
    assert [line["job_id"] for line in logs if line["event"] == "job.abandoned"] == [job.job_id]
    await in_time(puppet["b"].started.wait())
    await puppet["a"].report(9, 9)
    puppet["a"].finish()
    await clock.advance(1)
    assert await service.get(job.job_id) is cancelled


async def test_a_kind_that_returns_on_a_cancel_is_still_cancelled(start: Start) -> None:
    """Its result comes too late."""

    class Evasive(Puppet):
        async def run(self, params: Any, report: Any) -> Any:
            try:
                return await super().run(params, report)
            except asyncio.CancelledError:
                return self.Result(text="done all the same")

    service = await start(puppet := Evasive())
    job = await started(service, puppet)
    assert (await in_time(service.cancel(job.job_id))).status == "cancelled"
    assert (await service.get(job.job_id)).result is None


async def test_an_error_while_a_kind_cleans_up_is_logged_and_the_job_cancelled(start: Start) -> None:
    """The author sees the bug, the client its cancel."""

    class Clumsy(Puppet):
        async def run(self, params: Any, report: Any) -> Any:
            try:
                return await super().run(params, report)
            finally:
                raise OSError("the door is stuck")

    service = await start(puppet := Clumsy())
    job = await started(service, puppet)
    with capture_logs() as logs:
        assert (await in_time(service.cancel(job.job_id))).status == "cancelled"
    assert [line["event"] for line in logs].count("job.crashed") == 1


async def test_a_cancel_during_a_timeout_wins(start: Start, puppet: Puppet, clock: FakeClock) -> None:
    """From the moment a cancel is accepted the job can end no other way."""
    service = await start(puppet, timeout_seconds=10)
    puppet["a"].is_stubborn = True
    job = await started(service, puppet)
    await clock.advance(12)
    cancel = asyncio.ensure_future(service.cancel(job.job_id))
    await clock.advance(3)
    assert (await in_time(cancel)).failure is None


@pytest.mark.parametrize("steps", range(8))
@pytest.mark.parametrize("is_first", [True, False])
async def test_a_cancel_against_a_finish(start: Start, puppet: Puppet, steps: int, is_first: bool) -> None:
    """At whatever step of the loop they meet: one end, told by both, and never another after."""
    service = await start(puppet)
    job = await started(service, puppet)
    if not is_first:
        puppet["a"].finish()
        for _ in range(steps):
            await asyncio.sleep(0)
    cancel = asyncio.ensure_future(service.cancel(job.job_id))
    if is_first:
        for _ in range(steps):
            await asyncio.sleep(0)
        puppet["a"].finish()
    (answer,) = await in_time(asyncio.gather(cancel, return_exceptions=True))
    end = await ended(service, job)
    if isinstance(answer, JobFinishedError):
        assert end.status == "success"
    else:
        assert (answer, end.status) == (end, "cancelled")
    await idle()
    assert (await service.get(job.job_id), end.revision) == (end, 3)
