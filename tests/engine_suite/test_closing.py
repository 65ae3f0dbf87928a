"""How a service stops."""

import asyncio
from typing import Any

import pytest
from structlog.testing import capture_logs

from kameo_async.jobs.errors import DrainingError, InvalidKindError
from tests.clock import FakeClock, idle
from tests.engine_suite.conftest import Start
from tests.engine_suite.puppet import Housed, Puppet, closed, ended, in_time, started


@pytest.mark.in_process
async def test_close_gives_the_grace_and_ends_the_rest(
    start: Start, puppet: Puppet, clock: FakeClock
) -> None:
    """What finishes in the grace succeeds; what runs or waits ends cancelled; no task is left."""
    service = await start(puppet, max_running=2)
    quick = await started(service, puppet, "quick")
    slow = await started(service, puppet, "slow")
    waiting = await service.submit("puppet", {"name": "waiting"})
    events = await service.subscribe(slow.job_id)
    closing = asyncio.ensure_future(service.close(10))
    again = asyncio.ensure_future(service.close())
    await clock.advance(9)
    assert (await ended(service, waiting)).failure.code == "shutdown"
    puppet["quick"].finish()
    assert (await ended(service, quick)).status == "success"
    assert not closing.done()
    assert (await service.get(slow.job_id)).status == "running"
    await clock.advance(1)
    assert await in_time(closing) == await in_time(again) == []
    job = await service.get(slow.job_id)
    assert (job.status, job.failure and job.failure.code, puppet["slow"].cancels) == (
        "cancelled",
        "shutdown",
        1,
    )
    assert [event async for event in events][-1] is job
    assert "waiting" not in puppet.order
    await idle()
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_a_draining_service_takes_no_jobs(start: Start, puppet: Puppet) -> None:
    """But reads and cancels go on."""
    service = await start(puppet)
    assert service.is_ready
    job = await started(service, puppet)
    service.drain()
    assert not service.is_ready
    with pytest.raises(DrainingError):
        await service.submit("puppet")
    assert (await in_time(service.cancel(job.job_id))).status == "cancelled"


@pytest.mark.in_process
async def test_what_will_not_stop_is_told_after_a_second(
    start: Start, puppet: Puppet, clock: FakeClock
) -> None:
    """Its job still ends cancelled, by the shutdown."""
    service = await start(puppet)
    puppet["a"].is_stubborn = True
    job = await started(service, puppet)
    closing = asyncio.ensure_future(service.close(0))
    await clock.advance(0.9)
    assert not closing.done()
    await clock.advance(0.1)
    assert await in_time(closing) == [job.job_id]
    assert (await service.get(job.job_id)).failure is not None


async def test_a_stubborn_cancel_does_not_hold_a_shutdown_up(
    start: Start, puppet: Puppet, clock: FakeClock
) -> None:
    """The 5 s of a cancel shrink to the 1 s that a shutdown gives."""
    service = await start(puppet)
    puppet["a"].is_stubborn = True
    job = await started(service, puppet)
    cancel = asyncio.ensure_future(service.cancel(job.job_id))
    await idle()
    closing = asyncio.ensure_future(service.close(0))
    await clock.advance(1)
    assert await in_time(closing) == [job.job_id]
    cancelled = await in_time(cancel)
    assert (cancelled.status, cancelled.failure) == ("cancelled", None)


@pytest.mark.in_process
@pytest.mark.parametrize("steps", range(8))
async def test_a_submit_against_a_close(start: Start, puppet: Puppet, clock: FakeClock, steps: int) -> None:
    """At whatever step they meet: the submit is refused, or its job ends and says why."""
    service = await start(puppet)
    submit = asyncio.ensure_future(service.submit("puppet"))
    for _ in range(steps):
        await asyncio.sleep(0)
    await closed(service, clock)
    (job,) = await in_time(asyncio.gather(submit, return_exceptions=True))
    if isinstance(job, Exception):
        assert isinstance(job, DrainingError)
        assert (await service.list()).total == 0
    else:
        end: Any = await service.get(job.job_id)
        assert (end.status, end.failure.code) == ("cancelled", "shutdown")


@pytest.mark.in_process
async def test_a_cancelled_close_goes_on(start: Start, puppet: Puppet, clock: FakeClock) -> None:
    """Its caller may be impatient; the next one waits for the same close."""
    service = await start(puppet)
    job = await started(service, puppet)
    closing = asyncio.ensure_future(service.close(5))
    await idle()
    closing.cancel()
    await asyncio.gather(closing, return_exceptions=True)
    await clock.advance(6)
    assert (await ended(service, job)).status == "cancelled"
    assert await in_time(service.close()) == []


async def test_kinds_are_entered_and_left(start: Start, clock: FakeClock) -> None:
    """In order at the start, in reverse at the end, after their jobs."""
    diary: list[str] = []
    service = await start(Housed("one", diary), Puppet(), Housed("two", diary))
    assert diary == ["one entered", "two entered"]
    await closed(service, clock)
    assert diary[2:] == ["two left", "one left"]


async def test_a_kind_that_cannot_be_entered_stops_the_start(start: Start) -> None:
    """By its name; those that were entered are left, and nothing runs on."""
    diary: list[str] = []
    with pytest.raises(InvalidKindError, match=r"^kind 'two': cannot be entered \(OSError: not today\)$"):
        await start(Housed("one", diary), Housed("two", diary, refuses=True))
    assert diary == ["one entered", "one left"]
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_a_kind_that_cannot_be_left_is_logged(start: Start, clock: FakeClock) -> None:
    """The others are left all the same, and the close ends."""

    class Stuck(Housed):
        async def __aexit__(self, *_: object) -> None:
            raise OSError("locked")

    diary: list[str] = []
    service = await start(Housed("one", diary), Stuck("two", diary))
    with capture_logs() as logs:
        assert await closed(service, clock) == []
    assert diary[-1] == "one left"
    assert [line["event"] for line in logs].count("kind.not_left") == 1
