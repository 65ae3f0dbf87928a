"""How jobs start, run and end."""

import asyncio
import gc
import re
from typing import Any

import pytest
from pydantic import BaseModel
from structlog.testing import capture_logs

from kameo_async.jobs.document import document
from kameo_async.jobs.engine import Run
from kameo_async.jobs.errors import (
    InvalidParamsError,
    JobFailed,
    JobNotFoundError,
    KeyReusedError,
    OverloadedError,
    UnknownKindError,
)
from kameo_async.jobs.kind import Report
from kameo_async.jobs.models import Job, JobStatus
from tests.clock import FakeClock, idle
from tests.engine_suite.conftest import Start
from tests.engine_suite.puppet import Puppet, ended, in_time, started
from tests.living import living


async def test_a_job_that_has_ended_leaves_no_timer(start: Start, puppet: Puppet, clock: FakeClock) -> None:
    """Neither for its time limit, nor for its stop, nor for its reports; the reaper's stays."""
    service = await start(puppet)
    puppet["b"].is_stubborn = True
    jobs = [await started(service, puppet, name) for name in "abc"]
    await puppet["a"].report(1)
    puppet["a"].finish()
    cancel = asyncio.ensure_future(service.cancel(jobs[1].job_id))
    await clock.advance(5)
    await in_time(cancel)
    await in_time(service.cancel(jobs[2].job_id))
    await ended(service, jobs[0])
    puppet["b"].finish()  # also what was abandoned ends some day
    await idle()
    assert clock.timers == 1


UUID4 = r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"


async def test_a_job_runs_from_submit_to_its_result(start: Start, puppet: Puppet) -> None:
    """pending, running, success: one revision each, and the result in the end."""
    service = await start(puppet)
    job = await service.submit("puppet", {"name": "a"}, request_id="r-1")
    assert (job.status, job.revision, job.started_at, job.request_id) == ("pending", 1, None, "r-1")
    running = await started(service, puppet, "b")
    assert (running.status, running.revision) == ("running", 2)
    puppet["a"].finish("fine")
    done = await ended(service, job)
    assert (done.status, done.revision, done.result) == ("success", 3, b'{"text":"fine"}')
    assert done.finished_at is not None
    assert (done.expires_at - done.finished_at).total_seconds() == 3600


async def test_jobs_start_in_order_and_no_more_than_may_run(start: Start, puppet: Puppet) -> None:
    """Of seven, two run at once, and they start in the order of their submits."""
    service = await start(puppet, max_running=2)
    jobs = [await service.submit("puppet", {"name": str(n)}) for n in range(7)]
    await in_time(puppet["1"].started.wait())
    assert service.active_jobs == 7
    assert service.counts()["puppet", JobStatus.RUNNING] == 2
    for name in ("1", "0", "3", "2", "4", "5", "6"):
        await in_time(puppet[name].started.wait())
        puppet[name].finish()
    assert {(await ended(service, job)).status for job in jobs} == {"success"}
    assert puppet.order == [str(n) for n in range(7)]
    assert puppet.most_at_once == 2


async def test_a_submit_beyond_what_may_wait_is_refused_and_leaves_nothing(
    start: Start, puppet: Puppet
) -> None:
    """One runs, two wait, the fourth is refused; it is taken as soon as there is room."""
    service = await start(puppet, max_running=1, max_pending=2)
    first = await started(service, puppet, "0")
    for name in "12":
        await service.submit("puppet", {"name": name})
    with pytest.raises(OverloadedError):
        await service.submit("puppet", {"name": "3"}, key="k")
    assert (await service.list()).total == 3
    puppet["0"].finish()
    await ended(service, first)
    assert (await service.submit("puppet", {"name": "4"}, key="k")).status == "pending"


async def test_a_zero_byte_is_in_no_id(start: Start, puppet: Puppet) -> None:
    """A client may send it; a database takes it in no text at all."""
    service = await start(puppet)
    for ask in (service.get, service.cancel, service.subscribe):
        with pytest.raises(JobNotFoundError):
            await ask("a\0b")
    assert (await service.list(kind="\0")).total == 0


@pytest.mark.in_process
async def test_who_submits_at_the_pace_of_the_answers_is_never_refused(start: Start) -> None:
    """Sixteen clients start 320 jobs that do nothing, each the next one once the last is accepted."""

    class Nothing(Puppet):
        async def run(self, params: Puppet.Params, report: Report) -> BaseModel:
            return self.Result(text="")

    service = await start(Nothing(), max_running=2, max_pending=32)

    async def client() -> list[Job]:
        return [await service.submit("puppet") for _ in range(20)]

    jobs = await in_time(asyncio.gather(*[client() for _ in range(16)]))
    assert [(await ended(service, job)).status for of_one in jobs for job in of_one] == ["success"] * 320


@pytest.mark.in_process
async def test_a_submit_behind_jobs_that_do_not_end_is_answered(start: Start, puppet: Puppet) -> None:
    """However many wait: a submit is held up for those that end, never for those that run."""
    service = await start(puppet, max_running=1)
    first = await started(service, puppet, "0")
    for n in range(1, 30):
        await in_time(service.submit("puppet", {"name": str(n)}))
    assert (await service.get(first.job_id)).status == "running"


async def test_submits_of_one_key_in_a_race_are_one_job(start: Start, puppet: Puppet) -> None:
    """Ten at once with the same key and params give one job; with other params they are refused."""
    service = await start(puppet)
    submits = [service.submit("puppet", {"name": "a"}, key="k") for _ in range(10)]
    other = service.submit("puppet", {"name": "b"}, key="k")
    *jobs, refused = await in_time(asyncio.gather(*submits, other, return_exceptions=True))
    assert len({job.job_id for job in jobs}) == 1
    assert isinstance(refused, KeyReusedError)
    await in_time(puppet["a"].started.wait())
    assert puppet.order == ["a"]
    replay = await service.submit("puppet", {}, key="k")  # the default is "a"
    assert (replay.job_id, replay.status) == (jobs[0].job_id, "running")
    puppet["a"].finish()
    await ended(service, replay)
    assert (await service.submit("puppet", {"name": "a"}, key="k")).status == "success"


async def test_a_key_goes_with_its_job(start: Start, puppet: Puppet, clock: FakeClock) -> None:
    """Once the job has expired its key starts a new one."""
    service = await start(puppet, ttl_seconds=10, reap_interval_seconds=1)
    puppet["a"].finish()
    job = await ended(service, await service.submit("puppet", key="k"))
    await clock.advance(10)
    assert (await service.submit("puppet", {"name": "b"}, key="k")).job_id != job.job_id


async def test_a_submit_whose_caller_goes_away_is_still_queued(start: Start, puppet: Puppet) -> None:
    """Cancelled at any step of the loop, the submit starts a job or nothing; never one that only waits."""
    service = await start(puppet)
    for steps in range(6):
        submit = asyncio.ensure_future(service.submit("puppet", {"name": str(steps)}))
        for _ in range(steps):
            await asyncio.sleep(0)
        submit.cancel()
        await asyncio.gather(submit, return_exceptions=True)
    for steps in range(1, 6):
        await in_time(puppet[str(steps)].started.wait())
    for job in (await service.list()).jobs:
        assert (
            await in_time(service.wait(job.job_id, lambda job: job.revision > 1, 1e9))
        ).status == "running"
    assert (await service.list()).total >= 5


async def test_what_cannot_be_submitted(start: Start, puppet: Puppet) -> None:
    """An unknown kind, an unknown param and a wrong one are refused, and nothing is started."""
    service = await start(puppet)
    with pytest.raises(UnknownKindError):
        await service.submit("nope")
    with pytest.raises(InvalidParamsError, match="Unknown parameter: size"):
        await service.submit("puppet", {"size": 1})
    with pytest.raises(InvalidParamsError, match="Name must be a string"):
        await service.submit("puppet", {"name": 1})
    with pytest.raises(JobNotFoundError):
        await service.get("nope")
    assert (await service.list()).total == 0


@pytest.mark.parametrize(
    ("error", "code", "message", "retryable"),
    [
        (JobFailed("sold_out", "Nothing is left.", retryable=True), "sold_out", "Nothing is left.", True),
        (JobFailed("odd", "\ud800"), "odd", "?", False),
        (ValueError("secret"), "internal", None, False),
        (asyncio.CancelledError(), "internal", None, False),
        (SystemExit(3), "internal", None, False),
        (KeyboardInterrupt(), "internal", None, False),
        (GeneratorExit(), "internal", None, False),
    ],
)
async def test_how_a_job_fails(
    start: Start, puppet: Puppet, error: BaseException, code: str, message: str | None, retryable: bool
) -> None:
    """`JobFailed` ends a job in its words; anything else as `internal`, its text only in the log, once."""
    service = await start(puppet)
    job: Any = await started(service, puppet)
    with capture_logs() as logs:
        puppet["a"].throw(error)
        job = await ended(service, job)
        await idle()
    assert (job.status, job.failure.code, job.failure.retryable) == ("failed", code, retryable)
    assert message is None or job.failure.message == message
    assert b"secret" not in document(job)
    crashes = [line for line in logs if line["event"] == "job.crashed"]
    assert len(crashes) == (code == "internal")
    assert all(line["exc_info"] for line in crashes)


@pytest.mark.in_process
async def test_a_job_that_has_ended_leaves_nothing(start: Start) -> None:
    """However it did: nothing of its run waits for the garbage collector."""

    class Ends(Puppet):
        async def run(self, params: Puppet.Params, report: Report) -> BaseModel:
            if params.name == "fails":
                raise JobFailed("odd", "It was told to.")
            if params.name == "is cancelled":
                await asyncio.sleep(1000)
            return self.Result(text="")

    service = await start(Ends())
    gc.collect()
    gc.disable()
    try:
        for end in ("succeeds", "fails", "is cancelled"):
            job = await service.submit("puppet", {"name": end})
            await idle()
            if end == "is cancelled":
                await service.cancel(job.job_id)
            assert (await ended(service, job)).is_terminal
            await idle()
            assert [run for run in living(Run) if run.job.job_id == job.job_id] == []
    finally:
        gc.enable()


async def test_a_result_that_is_none_of_the_kind_fails_the_job(start: Start) -> None:
    """What `run` gives is checked against `Result`."""

    class Wrong(Puppet):
        async def run(self, params: Any, report: Any) -> Any:
            return {"text": 1}

    service = await start(Wrong())
    with capture_logs() as logs:
        job = await ended(service, await service.submit("puppet"))
    assert job.failure.code == "internal"
    assert [line["event"] for line in logs].count("job.crashed") == 1


async def test_a_result_keeps_what_json_can_carry(start: Start) -> None:
    """Keys that are numbers and times without a zone are results like any other."""

    class Table(Puppet):
        class Result(BaseModel):
            """A table by number."""

            text: dict[int, Any]

        async def run(self, params: Any, report: Any) -> Any:
            return {"text": {7: params.name}}

    service = await start(Table())
    assert (await ended(service, await service.submit("puppet"))).result == b'{"text":{"7":"a"}}'


async def test_a_job_that_takes_too_long_times_out(start: Start, puppet: Puppet, clock: FakeClock) -> None:
    """From its start, not from its submit; with the last progress, and its task gone."""
    service = await start(puppet, timeout_seconds=100, max_running=1)
    first = await started(service, puppet, "a")
    second = await service.submit("puppet", {"name": "b"})
    await clock.advance(60)
    puppet["a"].finish()
    await ended(service, first)
    await in_time(puppet["b"].started.wait())
    await puppet["b"].report(1, 2)
    await clock.advance(0.05)
    await puppet["b"].report(2, 2)
    await clock.advance(99.9)
    assert (await service.get(second.job_id)).status == "running"
    await clock.advance(0.1)
    job = await ended(service, second)
    assert (job.status, job.failure.code, job.failure.retryable) == ("failed", "timeout", True)
    assert job.failure.message == "The job took longer than 100 seconds."
    assert (job.progress.done, puppet["b"].cancels) == (2, 1)


async def test_the_last_report_before_a_timeout_is_kept(
    start: Start, puppet: Puppet, clock: FakeClock
) -> None:
    """Progress that was still being merged stands in the terminal revision."""
    service = await start(puppet, timeout_seconds=100)
    job = await started(service, puppet)
    await clock.advance(99.95)
    await puppet["a"].report(1, 3)
    await puppet["a"].report(2, 3)
    await clock.advance(0.05)
    assert (await ended(service, job)).progress.done == 2


async def test_ids_cannot_be_guessed(start: Start, puppet: Puppet) -> None:
    """Each is a random UUID."""
    service = await start(puppet)
    ids = {(await service.submit("puppet")).job_id for _ in range(50)}
    assert len(ids) == 50
    assert all(re.fullmatch(UUID4, job_id) for job_id in ids)


async def test_a_place_is_free_once_the_end_before_is_shown(start: Start, puppet: Puppet) -> None:
    """Nobody ever sees more jobs run than may, also while an end is on its way to the disk."""
    service = await start(puppet, max_running=1)
    first = await service.submit("puppet", {"name": "a"})
    await service.submit("puppet", {"name": "b"})
    await in_time(puppet["a"].started.wait())
    puppet["a"].finish()
    await in_time(puppet["b"].started.wait())
    assert (await service.get(first.job_id)).is_terminal
