"""The memory store's lock, held by the test, so that transitions and cancels meet where it hurts."""

import asyncio
from typing import Any

import pytest
from structlog.testing import capture_logs

from kameo_async.jobs.engine import EngineLimits, LocalEngine
from kameo_async.jobs.errors import JobFinishedError
from kameo_async.jobs.models import Job, JobStatus, new_job
from kameo_async.jobs.reaper import Reaper
from kameo_async.jobs.store import MemoryJobStore
from kameo_async.jobs.uncancelled import uncancelled
from tests.clock import FakeClock, idle
from tests.engine_suite.puppet import Puppet, in_time


class House:
    """An engine on a store whose lock the test may hold."""

    def __init__(self, max_running: int = 8) -> None:
        self.clock = FakeClock()
        self.puppet = Puppet()
        self.store = MemoryJobStore(self.clock, ttl_seconds=60, max_unfinished=9, max_kept_bytes=10**6)
        limits = EngineLimits(max_running)
        self.engine = LocalEngine(self.store, {"puppet": self.puppet}, self.clock, limits)

    @property
    def lock(self) -> asyncio.Lock:
        return self.store._lock

    async def running(self) -> Job:
        job = new_job("puppet", b'{"name":"a"}', self.clock.now())
        await self.store.add(job)
        await self.engine.enqueue(job)
        await in_time(self.puppet["a"].started.wait())
        return job

    async def waiting(self, jobs: int, params: bytes = b"{}") -> None:
        for _ in range(jobs):
            job, _ = await self.store.add(new_job("puppet", params, self.clock.now()))
            await self.engine.enqueue(job)

    def task_of(self, job: Job) -> asyncio.Task[None]:
        (task,) = (task for task in asyncio.all_tasks() if task.get_name() == f"job-{job.job_id}")
        return task

    async def end_of(self, job: Job) -> Job:
        await idle()
        return await self.store.get(job.job_id)


async def test_a_submit_waits_for_no_end_that_does_not_come() -> None:
    """A hung disk, say, or as here a lock, holds nobody up who has submitted."""
    house = House(max_running=1)
    await house.running()
    await house.waiting(8)
    async with house.lock:
        house.puppet["a"].finish()
        await idle()
        pace = asyncio.ensure_future(house.engine.keep_pace())
        await idle()
        assert not pace.done()
        await house.clock.advance(0.05)
        assert pace.done()


async def test_a_submit_waits_for_no_job_that_takes_its_time() -> None:
    """However many wait: where none is about to end, nobody is held up."""
    house = House(max_running=1)
    await house.running()
    await house.waiting(8)
    pace = asyncio.ensure_future(house.engine.keep_pace())
    await idle()
    assert pace.done()


@pytest.mark.parametrize("behind", [0, 2])
async def test_submits_that_waited_for_an_end_go_on_together_after_it(behind: int) -> None:
    """Also where more jobs wait behind one that takes its time; a client that has left is in nobody's way."""
    house = House(max_running=1)
    await house.running()
    await house.waiting(1 + behind, b'{"name":"b"}')
    async with house.lock:
        house.puppet["a"].finish()
        await idle()
        paces = [asyncio.ensure_future(house.engine.keep_pace()) for _ in range(3)]
        await idle()
        paces[0].cancel()
        await idle()
        assert [pace.done() for pace in paces] == [True, False, False]
    await idle()
    assert [pace.done() for pace in paces] == [True, True, True]


async def test_a_task_cancelled_while_its_end_waits_for_the_lock_loses_nothing() -> None:
    """The terminal transition is applied all the same, however often the task is cancelled."""
    house = House()
    job = await house.running()
    task = house.task_of(job)
    async with house.lock:
        house.puppet["a"].finish()
        await idle()
        for _ in range(3):
            task.cancel()
            await idle()
        assert not task.done()
    assert (await house.end_of(job)).status is JobStatus.SUCCESS
    assert task.cancelled()
    assert await house.engine.close(0) == []


@pytest.mark.parametrize("is_finish_first", [True, False])
async def test_a_cancel_and_a_finish_that_wait_for_the_lock_together(is_finish_first: bool) -> None:
    """Whoever came first to the lock decides, and the other is told so."""
    house = House()
    job = await house.running()
    async with house.lock:
        if is_finish_first:
            house.puppet["a"].finish()
            await idle()
        cancel = asyncio.ensure_future(house.engine.cancel(job.job_id))
        await idle()
        house.puppet["a"].finish()
        await idle()
    (answer,) = await in_time(asyncio.gather(cancel, return_exceptions=True))
    end = await house.end_of(job)
    if is_finish_first:
        assert (end.status, type(answer)) == ("success", JobFinishedError)
    else:
        assert (end.status, answer) == ("cancelled", end)


async def test_a_stop_that_meets_a_settling_task_does_not_abandon_its_end() -> None:
    """A cancel whose stop comes while the end is being kept waits for that end."""
    house = House()
    job = await house.running()
    cancel = asyncio.ensure_future(house.engine.cancel(job.job_id))
    await asyncio.sleep(0)  # the cancel is accepted; its stop has not run
    async with house.lock:
        house.puppet["a"].finish()
        await idle()
    assert (await in_time(cancel)).status == "cancelled"
    assert (await house.end_of(job)).revision == 3


async def test_a_client_that_goes_away_in_mid_cancel_changes_nothing() -> None:
    """The cancel was accepted, so the job ends cancelled."""
    house = House()
    job = await house.running()
    cancel = asyncio.ensure_future(house.engine.cancel(job.job_id))
    await asyncio.sleep(0)
    cancel.cancel()
    await asyncio.gather(cancel, return_exceptions=True)
    assert (await house.end_of(job)).status == "cancelled"


async def test_what_is_uncancelled_raises_what_it_raised() -> None:
    """An error comes out as it is; a cancel meanwhile comes out after the work."""

    async def failing() -> None:
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        await uncancelled(failing())
    gate = asyncio.Event()
    task = asyncio.ensure_future(uncancelled(gate.wait()))
    await idle()
    task.cancel()
    await idle()
    assert not task.done()
    gate.set()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_the_reaper_survives_an_exception_of_its_own() -> None:
    """It says so once, is alive, and does its work in the next round."""

    class Shaky(MemoryJobStore):
        rounds = 0

        async def expire(self, limit: int) -> int:
            self.rounds += 1
            if self.rounds == 1:
                raise RuntimeError("a bad moment")
            return await super().expire(limit)

    clock = FakeClock()
    store: Any = Shaky(clock, ttl_seconds=1, max_unfinished=9, max_kept_bytes=10**6)
    reaper = Reaper(store, clock, 30)
    with capture_logs() as logs:
        async with reaper:
            await clock.advance(30)
            assert reaper.is_alive
            await clock.advance(30)
    assert store.rounds == 2
    assert [line["event"] for line in logs] == ["reaper.failed"]
    assert logs[0]["exc_info"]
