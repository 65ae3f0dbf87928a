"""How reports become revisions."""

import asyncio
import threading
from typing import Any

import pytest

from kameo_async.jobs.document import document
from kameo_async.jobs.errors import WrongThreadError
from kameo_async.jobs.models import Job
from kameo_async.jobs.service import JobService
from tests.clock import FakeClock, idle
from tests.engine_suite.conftest import Start
from tests.engine_suite.puppet import Puppet, ended, in_time, started


class Revisions:
    """A listener that keeps every revision of a job."""

    def __init__(self) -> None:
        self.seen: list[Any] = []

    def notify(self, event: object) -> None:
        if isinstance(event, Job):
            self.seen.append(event)


def listening(service: JobService) -> Revisions:
    """Every revision that is published from now on."""
    revisions = Revisions()
    service.hub.add(revisions)
    return revisions


async def test_a_thousand_reports_a_second_are_ten_revisions(
    start: Start, puppet: Puppet, clock: FakeClock
) -> None:
    """The first at once, the last not lost, and no long poll ever becomes a busy one."""
    service = await start(puppet)
    await started(service, puppet)
    revisions = listening(service)
    for n in range(1, 2001):
        await puppet["a"].report(n, 2000)
        await clock.advance(0.001)
        if n == 1:
            assert [job.progress.done for job in revisions.seen] == [1]
    assert 19 <= len(revisions.seen) <= 21
    await clock.advance(0.1)
    assert revisions.seen[-1].progress.done == 2000
    assert [job.revision for job in revisions.seen] == list(range(3, 3 + len(revisions.seen)))


async def test_rare_reports_are_seen_at_once(start: Start, puppet: Puppet, clock: FakeClock) -> None:
    """One in 0.2 s waits for nothing, and the same again is no revision."""
    service = await start(puppet)
    await started(service, puppet)
    revisions = listening(service)
    for n in (1, 2, 2, 3):
        await puppet["a"].report(n, unit="pages", message=f"Page {n}")
        await idle()
        assert revisions.seen[-1].progress.done == n
        await clock.advance(0.2)
    assert len(revisions.seen) == 3


async def test_the_last_progress_stands_in_the_end(start: Start, puppet: Puppet) -> None:
    """A report right before the end comes with the terminal revision, and none after it."""
    service = await start(puppet)
    job = await started(service, puppet)
    report = puppet["a"].report
    await report(1, 3)
    await report(3, 3, unit="pages", message="Fetched page 3 of 3")
    puppet["a"].finish()
    done = await ended(service, job)
    assert (done.progress.done, done.progress.total, done.progress.unit) == (3, 3, "pages")
    await report(4, 3)
    await idle()
    assert await service.get(job.job_id) is done


async def test_reports_come_from_threads_too(start: Start) -> None:
    """`from_thread` from a thread of the kind's own, `report` itself raises there and says so."""

    class Threaded(Puppet):
        async def run(self, params: Any, report: Any) -> Any:
            await asyncio.to_thread(self._work, report)
            return self.Result(text="done")

        def _work(self, report: Any) -> None:
            with pytest.raises(WrongThreadError, match="report was called off the thread"):
                report(1)
            for n in range(1, 501):
                report.from_thread(n, 500)

    service = await start(Threaded())
    revisions = listening(service)
    job = await ended(service, await service.submit("puppet"))
    assert (job.status, job.progress.done) == ("success", 500)
    assert len(revisions.seen) < 20
    done = [seen.progress.done for seen in revisions.seen if seen.progress]
    assert done == sorted(done)


async def test_a_report_from_a_thread_right_before_the_end_is_kept(start: Start) -> None:
    """Though the loop had no step in which to hear of it."""

    class Blocking(Puppet):
        async def run(self, params: Any, report: Any) -> Any:
            thread = threading.Thread(target=report.from_thread, args=(5,))
            thread.start()
            thread.join()
            return self.Result(text="done")

    service = await start(Blocking())
    assert (await ended(service, await service.submit("puppet"))).progress.done == 5


async def test_a_thread_that_outlives_its_job_reports_into_the_void(start: Start, puppet: Puppet) -> None:
    """Neither an error nor a change."""
    service = await start(puppet)
    puppet["a"].finish()
    job = await ended(service, await service.submit("puppet"))
    await asyncio.to_thread(puppet["a"].report.from_thread, 5)
    await idle()
    assert (await service.get(job.job_id)).progress is None


@pytest.mark.parametrize("done", ["many", None, 2**53, float("nan")])
async def test_progress_that_no_document_can_show_is_the_kinds_error(
    start: Start, puppet: Puppet, done: Any
) -> None:
    """It raises where the kind called, and spoils nothing."""
    service = await start(puppet)
    job = await started(service, puppet)
    with pytest.raises((TypeError, ValueError)):
        await puppet["a"].report(done)
    await puppet["a"].report(1.0, True, message="\ud800")  # type: ignore[arg-type]
    await idle()
    assert b'{"done":1,"total":1,"unit":"","message":"?"}' in document(await service.get(job.job_id))


async def test_a_service_belongs_to_the_thread_of_its_loop(start: Start, puppet: Puppet) -> None:
    """Each method called from another thread raises there, and says which."""
    service = await start(puppet)
    job = await service.submit("puppet")
    calls = {
        "submit": ("puppet",),
        "get": (job.job_id,),
        "list": (),
        "cancel": (job.job_id,),
        "subscribe": (),
        "wait": (job.job_id, bool, 1),
        "drain": (),
        "close": (),
    }
    for name, args in calls.items():
        with pytest.raises(WrongThreadError, match=f"JobService.{name} was called off the thread"):
            await in_time(asyncio.to_thread(getattr(service, name), *args))
    assert service.is_ready
