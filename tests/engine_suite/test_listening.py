"""What listeners, waiters and readers of lists see."""

import asyncio
from typing import Any

import pytest

from kameo_async.jobs.errors import JobNotFoundError
from kameo_async.jobs.models import Job, JobStatus
from kameo_async.jobs.service import JobService
from kameo_async.jobs.subscription import Expired, Subscription
from tests.clock import FakeClock, idle
from tests.engine_suite.conftest import Start
from tests.engine_suite.puppet import Puppet, ended, in_time, started


async def everything(subscription: Subscription) -> list[Any]:
    """All events up to the end of the subscription."""
    async with subscription:
        return [event async for event in subscription]


async def test_a_listener_sees_the_job_as_it_is_and_each_newer_revision(start: Start, puppet: Puppet) -> None:
    """In order, none twice, the last one always; then the subscription ends."""
    service = await start(puppet, max_running=1)
    await started(service, puppet, "b")
    job = await service.submit("puppet")
    reading = asyncio.ensure_future(everything(await service.subscribe(job.job_id)))
    await idle()
    puppet["b"].finish()
    await in_time(puppet["a"].started.wait())
    await idle()
    puppet["a"].finish()
    done = await ended(service, job)
    events = await in_time(reading)
    assert [event.revision for event in events] == [1, 2, 3]
    assert events[-1] is done
    assert await in_time(everything(await service.subscribe(job.job_id))) == [done]
    assert len(service.hub) == 0


async def test_a_slow_listener_skips_but_never_the_last(
    start: Start, puppet: Puppet, clock: FakeClock
) -> None:
    """It holds one event for each job, the newest, whatever happened meanwhile."""
    service = await start(puppet, max_running=1)
    slow = await service.subscribe()
    jobs = [await service.submit("puppet", {"name": name}) for name in "abc"]
    others = [await service.subscribe(job.job_id) for job in jobs]
    for name in "abc":
        await in_time(puppet[name].started.wait())
        for n in range(30):
            await puppet[name].report(n)
            await clock.advance(0.05)
        puppet[name].finish()
    done = [(await in_time(everything(other)))[-1] for other in others]
    assert [job.status for job in done] == ["success"] * 3
    assert [await in_time(anext(slow)) for _ in jobs] == done
    unread = asyncio.ensure_future(anext(slow))
    await idle()
    assert not unread.done()
    slow.close()
    with pytest.raises(StopAsyncIteration):
        await in_time(unread)


@pytest.mark.parametrize(("since", "seen"), [(0, [2, 3]), (1, [2, 3]), (2, [3]), (9, [3])])
async def test_since_leaves_out_what_the_client_has(
    start: Start, puppet: Puppet, since: int, seen: list[int]
) -> None:
    """Only a terminal revision is always told, but to the client that has that very one."""
    service = await start(puppet)
    job = await started(service, puppet)
    reading = asyncio.ensure_future(everything(await service.subscribe(job.job_id, since)))
    await idle()
    puppet["a"].finish()
    assert [event.revision for event in await in_time(reading)] == seen
    assert await in_time(everything(await service.subscribe(job.job_id, 3))) == []


async def test_a_client_that_waits_with_the_terminal_revision_is_let_go(start: Start, puppet: Puppet) -> None:
    """Its `since` came true while it waited: nothing to tell, and the end."""
    service = await start(puppet)
    job = await started(service, puppet)
    reading = asyncio.ensure_future(everything(await service.subscribe(job.job_id, 3)))
    puppet["a"].finish()
    assert await in_time(reading) == []


async def test_a_subscription_closed_while_it_waits_ends(start: Start, puppet: Puppet) -> None:
    """And nobody listens any more."""
    service = await start(puppet)
    job = await started(service, puppet)
    subscription = await service.subscribe(job.job_id)
    reading = asyncio.ensure_future(everything(subscription))
    await idle()
    subscription.close()
    assert [event.revision for event in await in_time(reading)] == [2]
    assert len(service.hub) == 0
    with pytest.raises(JobNotFoundError):
        await service.subscribe("nope")


async def test_a_waiter_is_told_by_an_event_or_by_the_clock(
    start: Start, puppet: Puppet, clock: FakeClock
) -> None:
    """As soon as it holds, else after the seconds with what there is; nothing is left behind."""
    service = await start(puppet)
    job = await started(service, puppet)
    assert (await in_time(service.wait(job.job_id, lambda job: job.revision == 2, 0))).revision == 2
    waiting = asyncio.ensure_future(service.wait(job.job_id, lambda job: job.is_terminal, 30))
    await clock.advance(29)
    assert not waiting.done()
    await clock.advance(1)
    assert (await in_time(waiting)).status == "running"
    waiting = asyncio.ensure_future(service.wait(job.job_id, lambda job: job.is_terminal, 30))
    await idle()
    puppet["a"].finish()
    assert (await in_time(waiting)).status == "success"
    gone = asyncio.ensure_future(service.wait(job.job_id, lambda _: False, 30))
    await in_time(gone)  # a terminal job never waits
    assert len(service.hub) == 0


async def test_a_waiter_that_goes_away_leaves_nothing(start: Start, puppet: Puppet) -> None:
    """Neither a listener nor a timer that does anything."""
    service = await start(puppet)
    job = await started(service, puppet)
    waiting = asyncio.ensure_future(service.wait(job.job_id, lambda job: job.is_terminal, 30))
    await idle()
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    assert len(service.hub) == 0


async def test_everybody_sees_the_last_revision(start: Start, puppet: Puppet) -> None:
    """A hundred listeners, some of one job and some of all."""
    service = await start(puppet)
    job = await started(service, puppet)
    of_job = [asyncio.ensure_future(everything(await service.subscribe(job.job_id))) for _ in range(50)]
    of_all = [await service.subscribe() for _ in range(50)]
    await puppet["a"].report(1)
    await idle()
    puppet["a"].finish()
    done = await ended(service, job)
    assert {events[-1] for events in await in_time(asyncio.gather(*of_job))} == {done}
    assert {await in_time(anext(subscription)) for subscription in of_all} == {done}


async def test_a_listener_of_all_is_told_when_a_job_expires(
    start: Start, puppet: Puppet, clock: FakeClock
) -> None:
    """And one of the job itself, with nothing after it."""
    service = await start(puppet, ttl_seconds=10, reap_interval_seconds=1)
    puppet["a"].finish()
    of_all = await service.subscribe()
    job = await ended(service, await service.submit("puppet"))
    assert await in_time(anext(of_all)) is job
    await clock.advance(10)
    assert await in_time(anext(of_all)) == Expired(job.job_id)
    with pytest.raises(JobNotFoundError):
        await service.get(job.job_id)


async def walk(service: JobService, limit: int, **which: Any) -> list[Job]:
    """All pages of a list."""
    jobs: list[Job] = []
    cursor = None
    while True:
        page = await service.list(limit=limit, cursor=cursor, **which)
        jobs += page.jobs
        if (cursor := page.next_cursor) is None:
            return jobs


async def test_lists_are_newest_first_by_status_and_kind(start: Start, puppet: Puppet) -> None:
    """Each filter has its own total, and its pages fit together."""
    other = Puppet()
    other.kind = "other"
    service = await start(puppet, other, max_running=1)
    first = await started(service, puppet, "a")
    jobs = [await service.submit("other" if n % 3 else "puppet", {"name": str(n)}) for n in range(9)]
    newest_first = [job.job_id for job in (first, *jobs)][::-1]
    assert [job.job_id for job in await walk(service, 3)] == newest_first
    assert [job.job_id for job in await walk(service, 10)] == newest_first
    assert (await service.list(status=JobStatus.PENDING)).total == 9
    assert (await service.list(status=JobStatus.RUNNING)).jobs == (await service.get(first.job_id),)
    others = [jobs[n].job_id for n in (8, 7, 5, 4, 2, 1)]
    assert [job.job_id for job in await walk(service, 2, kind="other")] == others
    assert (await service.list(status=JobStatus.RUNNING, kind="other")).total == 0
    assert (await service.list(status=JobStatus.SUCCESS)).total == 0


async def test_cursors_stay_right_while_jobs_come_and_go(
    start: Start, puppet: Puppet, clock: FakeClock
) -> None:
    """A page asked for later continues where the last one ended: nothing twice, nothing left out."""
    service = await start(puppet, max_running=1, ttl_seconds=10, reap_interval_seconds=1)
    for n in range(10):
        await service.submit("puppet", {"name": str(n)})
    page = await service.list(limit=4)
    rest = [job.job_id for job in (await service.list(limit=10)).jobs[4:]]
    await service.submit("puppet", {"name": "new"})
    for job_id in (rest[0], page.jobs[-1].job_id, rest[-2]):
        await in_time(service.cancel(job_id))
    await clock.advance(10)
    kept = [job_id for job_id in rest if job_id not in (rest[0], rest[-2])]
    first = await service.list(limit=2, cursor=page.next_cursor)
    second = await service.list(limit=9, cursor=first.next_cursor)
    assert [job.job_id for job in (*first.jobs, *second.jobs)] == kept
