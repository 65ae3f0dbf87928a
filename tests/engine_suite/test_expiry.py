"""When finished jobs go."""

import pytest

from kameo_async.jobs.document import document
from kameo_async.jobs.errors import JobNotFoundError
from kameo_async.jobs.models import Job
from kameo_async.jobs.service import JobService
from kameo_async.jobs.subscription import Event, Expired
from tests.clock import FakeClock
from tests.engine_suite.conftest import Start
from tests.engine_suite.puppet import Puppet, ended, started


async def finished(service: JobService, puppet: Puppet, name: str = "a", text: str = "done") -> Job:
    """A job that succeeded."""
    puppet[name].finish(text)
    done: Job = await ended(service, await service.submit("puppet", {"name": name}))
    return done


async def is_kept(service: JobService, job: Job) -> bool:
    """Whether the job can still be read."""
    try:
        await service.get(job.job_id)
    except JobNotFoundError:
        return False
    return True


async def test_a_finished_job_is_kept_for_its_time(start: Start, puppet: Puppet, clock: FakeClock) -> None:
    """Its time runs from its end; one that is not finished never goes."""
    service = await start(puppet, ttl_seconds=60, reap_interval_seconds=5, timeout_seconds=10_000)
    running = await started(service, puppet, "running")
    early = await finished(service, puppet, "early")
    await clock.advance(30)
    late = await finished(service, puppet, "late")
    await clock.advance(29)
    assert await is_kept(service, early)
    await clock.advance(1)
    assert not await is_kept(service, early)
    await clock.advance(29)
    assert await is_kept(service, late)
    await clock.advance(5)
    assert not await is_kept(service, late)
    await clock.advance(5000)
    assert await is_kept(service, running)


@pytest.mark.parametrize("jump", [7200, -3600])
async def test_the_wall_clock_may_jump(start: Start, puppet: Puppet, clock: FakeClock, jump: float) -> None:
    """Nothing expires early or late, nothing times out, and reports go on."""
    service = await start(puppet, ttl_seconds=60, reap_interval_seconds=5, timeout_seconds=100)
    running = await started(service, puppet, "running")
    job = await finished(service, puppet)
    clock.jump(jump)
    await clock.advance(59)
    assert await is_kept(service, job)
    await puppet["running"].report(1)
    await clock.advance(1)
    assert not await is_kept(service, job)
    assert (await service.get(running.job_id)).revision == 3
    await clock.advance(40)
    assert (await ended(service, running)).failure.code == "timeout"


async def test_many_jobs_go_in_slices(start: Start, puppet: Puppet, clock: FakeClock) -> None:
    """A thousand at once, with the loop free in between; every one is told."""
    service = await start(puppet, ttl_seconds=60, reap_interval_seconds=5, max_pending=1000)
    await started(service, puppet, "running")
    gone: list[str] = []

    class Gone:
        def notify(self, event: Event) -> None:
            if isinstance(event, Expired):
                gone.append(event.job_id)

    puppet["a"].finish()
    jobs = [await service.submit("puppet") for _ in range(1000)]
    for job in jobs:
        await ended(service, job)
    service.hub.add(Gone())
    await clock.advance(65)
    assert gone == [job.job_id for job in jobs]
    assert (await service.list()).total == 1
    assert sum(service.counts().values()) == 1


async def test_past_the_bytes_kept_the_oldest_goes_early(start: Start, puppet: Puppet) -> None:
    """Whole documents count; the newest stays however large, and listeners are told."""
    probe = await start(first := Puppet())
    size = len(document(await finished(probe, first, text="x" * 1000)))
    service = await start(puppet, max_kept_bytes=3 * size)
    events = await service.subscribe()
    waiting = await started(service, puppet, "running")
    old, *kept = [await finished(service, puppet, name, "x" * 1000) for name in "bcd"]
    assert await is_kept(service, old)
    newer = await finished(service, puppet, "e", "x" * 1001)
    assert [await is_kept(service, job) for job in (old, kept[0], kept[1], newer)] == [
        False,
        False,
        True,
        True,
    ]
    huge = await finished(service, puppet, "f", "x" * 10_000)
    assert [await is_kept(service, job) for job in (kept[1], newer, huge, waiting)] == [
        False,
        False,
        True,
        True,
    ]
    gone = []
    async for event in events:
        gone += [event] if isinstance(event, Expired) else []
        if len(gone) == 4:
            break
    assert gone == [Expired(job.job_id, early=True) for job in (old, kept[0], kept[1], newer)]
