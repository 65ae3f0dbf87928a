"""Polling well: ETag, 304, and long polls that wait for an event and leave nothing behind."""

import asyncio
import json
import re
from typing import Any

import pytest
from multidict import CIMultiDict

from tests.clock import idle
from tests.contract.asking import problem, raw, until
from tests.service import Service, running_service

FIELDS = [
    *(
        "job_id",
        "kind",
        "status",
        "progress",
        "data",
        "error",
        "error_code",
        "retryable",
        "revision",
        "attempt",
    ),
    *("created_at", "started_at", "updated_at", "finished_at", "expires_at", "links"),
]


class Poll:
    """A long poll under way."""

    def __init__(self, service: Service, job: dict[str, Any], *headers: tuple[str, str]) -> None:
        self.service = service
        self.headers = CIMultiDict(headers)
        self.task = asyncio.create_task(self._ask(job["links"]["self"]))

    async def _ask(self, path: str) -> Any:
        async with self.service.client.get(path, headers=self.headers) as answer:
            self.status, self.answered = answer.status, answer.headers
            return await answer.json() if answer.status != 304 else None


async def waiting(service: Service, job: dict[str, Any], *headers: tuple[str, str]) -> Poll:
    """A long poll that the service has begun to wait for."""
    listeners = len(service.jobs.hub)
    poll = Poll(service, job, *headers)
    await until(lambda: len(service.jobs.hub) > listeners)
    return poll


def tag(job: dict[str, Any]) -> str:
    return f'"{job["revision"]}"'


async def test_a_poll_of_a_running_job(service: Service) -> None:
    """200, the document, its ETag, and Retry-After: 1."""
    job = await service.running()
    async with service.client.get(job["links"]["self"]) as answer:
        document = await answer.json()
    assert answer.status == 200
    assert answer.content_type == "application/json"
    assert list(document) == FIELDS
    assert (document["status"], document["data"], document["finished_at"]) == ("running", None, None)
    assert answer.headers["ETag"] == tag(document)
    assert answer.headers["Retry-After"] == "1"


@pytest.mark.parametrize(("text", "status"), [("fine", "success"), ("fail", "failed")])
async def test_a_poll_of_an_ended_job(service: Service, text: str, status: str) -> None:
    """Also a failed job is 200, with its ETag and no Retry-After."""
    job = await service.finished(text=text)
    async with service.client.get(job["links"]["self"]) as answer:
        document = await answer.json()
    assert (answer.status, document["status"]) == (200, status)
    assert answer.headers["ETag"] == tag(document)
    assert "Retry-After" not in answer.headers
    times = [
        document[name] for name in ("created_at", "started_at", "updated_at", "finished_at", "expires_at")
    ]
    assert times == sorted(times)
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", time) for time in times)
    why = (document["error"], document["error_code"], document["retryable"])
    assert why == ((None,) * 3 if status == "success" else ("It was told to fail.", "told_to", True))


async def test_a_head_is_a_get_without_its_body(service: Service) -> None:
    """HEAD has the header fields of GET, and nothing after them."""
    job = await service.running()
    path = job["links"]["self"]
    async with service.client.get(path) as get, service.client.head(path) as head:
        assert head.status == 200
        assert await head.read() == b""
        for name in ("ETag", "Retry-After", "Content-Type", "Content-Length"):
            assert head.headers[name] == get.headers[name]


async def test_the_tag_changes_with_the_revision_and_only_then(service: Service) -> None:
    """The same revision has the same tag and bytes, the next one another."""
    job = await service.running()
    async with (
        service.client.get(job["links"]["self"]) as first,
        service.client.get(job["links"]["self"]) as again,
    ):
        assert first.headers["ETag"] == again.headers["ETag"]
        assert await first.read() == await again.read()
    await service.gate.reports["one"](1, 2)
    await idle()
    async with service.client.get(job["links"]["self"]) as later:
        assert later.headers["ETag"] != first.headers["ETag"]


async def test_a_long_poll_answers_with_the_next_revision(service: Service) -> None:
    """With the ETag that the client has: as soon as there is another."""
    job = await service.get(await service.running())
    poll = await waiting(service, job, ("If-None-Match", tag(job)), ("Prefer", "wait=60"))
    await service.gate.reports["one"](1, 2, unit="steps")
    document = await poll.task
    assert (poll.status, poll.answered["Preference-Applied"]) == (200, "wait=60")
    assert document["revision"] == job["revision"] + 1
    assert document["progress"] == {"done": 1, "total": 2, "unit": "steps", "message": ""}


async def test_a_long_poll_without_a_tag_answers_with_the_end(service: Service) -> None:
    """Without If-None-Match revisions in between are let pass."""
    job = await service.running()
    poll = await waiting(service, job, ("Prefer", "wait=60"))
    await service.gate.reports["one"](1, 2)
    await service.clock.advance(1)
    assert not poll.task.done()
    service.gate.gate().set()
    assert (await poll.task)["status"] == "success"


@pytest.mark.parametrize(("has_tag", "status"), [(True, 304), (False, 200)])
async def test_a_long_poll_ends_after_its_seconds(service: Service, has_tag: bool, status: int) -> None:
    """After N seconds: what there is, 304 when the client has it."""
    job = await service.get(await service.running())
    tags = [("If-None-Match", tag(job))] if has_tag else []
    poll = await waiting(service, job, ("Prefer", "wait=7"), *tags)
    await service.clock.advance(6.9)
    assert not poll.task.done()
    await service.clock.advance(0.2)
    document = await poll.task
    assert (poll.status, poll.answered["Preference-Applied"]) == (status, "wait=7")
    assert (poll.answered["ETag"], poll.answered["Retry-After"]) == (tag(job), "1")
    assert document == (None if has_tag else job)


async def test_a_tag_of_another_revision_does_not_wait(service: Service) -> None:
    """A client that is behind is answered at once."""
    job = await service.running()
    headers = {"If-None-Match": tag(job), "Prefer": "wait=60"}
    async with service.client.get(job["links"]["self"], headers=headers) as answer:
        assert (answer.status, (await answer.json())["status"]) == (200, "running")


async def test_any_tag_waits_for_the_next(service: Service) -> None:
    """`If-None-Match: *` means what there is now."""
    job = await service.running()
    poll = await waiting(service, job, ("If-None-Match", "*"), ("Prefer", "wait=60"))
    assert not poll.task.done()
    service.gate.gate().set()
    await service.clock.advance(61)
    await poll.task


@pytest.mark.parametrize("has_tag", [True, False])
async def test_a_terminal_job_never_waits(service: Service, has_tag: bool) -> None:
    """It is answered at once: 304 where the client has it."""
    job = await service.finished()
    headers = {"Prefer": "wait=60"} | ({"If-None-Match": tag(job)} if has_tag else {})
    async with service.client.get(job["links"]["self"], headers=headers) as answer:
        assert answer.status == (304 if has_tag else 200)


async def test_no_poll_waits_longer_than_a_minute(service: Service) -> None:
    """`wait=3600` is capped at 60."""
    poll = await waiting(service, await service.running(), ("Prefer", "wait=3600"))
    await service.clock.advance(60.1)
    await poll.task
    assert poll.answered["Preference-Applied"] == "wait=60"


async def test_a_client_that_goes_away_leaves_nothing_behind(service: Service) -> None:
    """No subscription, no timer and no task of a long poll outlives its client."""
    job = await service.running()
    await idle()
    listeners, timers, tasks = len(service.jobs.hub), service.clock.timers, len(asyncio.all_tasks())
    polls = [await waiting(service, job, ("Prefer", "wait=60")) for _ in range(5)]
    for poll in polls:
        poll.task.cancel()
    await asyncio.wait([poll.task for poll in polls])
    await until(lambda: len(service.jobs.hub) == listeners)
    assert service.clock.timers == timers
    await until(lambda: len(asyncio.all_tasks()) <= tasks)


async def test_a_long_poll_that_is_answered_leaves_nothing_behind(service: Service) -> None:
    """Also one that ends by time, or by the end of the job, is gone from the hub and the clock."""
    listeners, job = len(service.jobs.hub), await service.running()
    timers = service.clock.timers
    polls = [await waiting(service, job, ("Prefer", f"wait={seconds}")) for seconds in (1, 60)]
    await service.clock.advance(2)
    assert (await polls[0].task)["status"] == "running"
    service.gate.gate().set()
    assert (await polls[1].task)["status"] == "success"
    assert (len(service.jobs.hub), service.clock.timers) == (listeners, timers - 1)  # and the job's deadline


async def test_a_long_poll_of_a_job_that_is_cancelled_ends(service: Service) -> None:
    """A cancel is an end like any other."""
    job = await service.running()
    poll = await waiting(service, job, ("Prefer", "wait=60"))
    async with service.client.delete(job["links"]["self"]) as answer:
        cancelled = await answer.json()
    assert await poll.task == cancelled


async def test_progress_a_thousand_times_a_second_does_not_make_polls_spin(service: Service) -> None:
    """In a second of 1,000 reports, a client that long-polls by the book gets at most 11 answers."""
    job = await service.get(await service.running())
    answers: list[int] = []

    async def follow(have: dict[str, Any]) -> None:
        while have["status"] == "running":
            headers = {"If-None-Match": tag(have), "Prefer": "wait=60"}
            async with service.client.get(job["links"]["self"], headers=headers) as answer:
                assert answer.status == 200
                have = await answer.json()
                answers.append(have["revision"])

    following = asyncio.create_task(follow(job))
    await until(lambda: len(service.jobs.hub) > 1)
    report = service.gate.reports["one"]
    for n in range(1000):
        await report(n, 1000)
        await service.clock.advance(0.001)
        if n % 50 == 0:
            await asyncio.sleep(0.002)
    assert 5 <= len(answers) <= 11
    service.gate.gate().set()
    await following
    assert answers == sorted(set(answers))
    assert (await service.get(job))["progress"]["done"] == 999


async def test_a_poll_of_no_job_is_404(service: Service) -> None:
    """Never was, no id at all, or a kind: `Job not found`, at once even for a long poll."""
    for name in ("00000000-0000-4000-8000-000000000000", "nope", "gate", "%20"):
        async with service.client.get(f"/api/jobs/{name}", headers={"Prefer": "wait=60"}) as answer:
            assert (await problem(answer, 404))["detail"] == "Job not found"


async def test_an_expired_job_is_404() -> None:
    """After its TTL the job is gone; `expires_at` said when; one that is not finished stays."""
    async with running_service(job_ttl_seconds=100, reap_interval_seconds=1) as service:
        running, job = await service.running(), await service.finished()
        assert (job["finished_at"], job["expires_at"]) == (
            "2026-01-31T12:00:00.000Z",
            "2026-01-31T12:01:40.000Z",
        )
        await service.clock.advance(99)
        assert (await service.get(job)) == job
        await service.clock.advance(2)
        async with service.client.get(job["links"]["self"]) as answer:
            assert (await problem(answer, 404))["detail"] == "Job not found"
        await service.clock.advance(1000)
        assert (await service.get(running))["status"] == "running"


async def test_a_pipelined_pair_of_polls_is_answered_in_order(service: Service) -> None:
    """Two requests in one packet get two answers, the second the next revision's tag or the same."""
    job = await service.finished()
    ask = f"GET {job['links']['self']} HTTP/1.1\r\nHost: localhost\r\n".encode()
    said = await raw(service, ask + b"\r\n" + ask + b"Connection: close\r\n\r\n")
    bodies = [json.loads(part) for part in re.findall(rb"\r\n\r\n(\{.*?\})(?=HTTP|$)", said, re.DOTALL)]
    assert bodies == [job, job]
