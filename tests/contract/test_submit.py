"""Starting a job: what the 202 holds, and waiting for the end in the same request."""

import asyncio
from typing import Any

import pytest

from tests.contract.asking import problem, raw, until
from tests.service import Service


async def test_a_submit_is_accepted_at_once(service: Service) -> None:
    """202 with Location, Retry-After and the document: pending, `data` saying that it started."""
    async with service.client.post("/api/jobs/gate") as answer:
        job = await answer.json()
    assert answer.status == 202
    assert answer.headers["Location"] == job["links"]["self"] == f"/api/jobs/{job['job_id']}"
    assert int(answer.headers["Retry-After"]) >= 1
    assert (job["kind"], job["status"], job["revision"], job["attempt"]) == ("gate", "pending", 1, 1)
    assert job["data"] == {"job_id": job["job_id"], "message": "Job started successfully"}
    assert "Preference-Applied" not in answer.headers


async def test_the_location_leads_to_the_job(service: Service) -> None:
    """Location is where the job is."""
    async with service.client.post("/api/jobs/gate") as answer:
        location = answer.headers["Location"]
    async with service.client.get(location) as answer:
        assert answer.status == 200


async def test_no_two_ids_are_alike(service: Service) -> None:
    """Ids hold 122 random bits: no prefix in common, no counting up."""
    ids = [(await service.start())["job_id"] for _ in range(8)]
    assert len({job_id[:8] for job_id in ids}) == 8
    assert {job_id[14] for job_id in ids} == {"4"}


@pytest.mark.parametrize("content_type", [None, "application/json", "text/plain", "application/x-nonsense"])
async def test_an_empty_body_is_fine(service: Service, content_type: str | None) -> None:
    """No body is no params, whatever the Content-Type says."""
    headers = {"Content-Type": content_type} if content_type else {}
    skipped = [] if content_type else ["Content-Type"]
    async with service.client.post(
        "/api/jobs/mirror", data=b"", headers=headers, skip_auto_headers=skipped
    ) as answer:
        assert answer.status == 202


async def test_an_empty_body_in_chunks_is_fine(service: Service) -> None:
    """Also where only its end tells that it is empty."""
    head = b"POST /api/jobs/mirror HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
    said = await raw(service, head + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n")
    assert said.startswith(b"HTTP/1.1 202 ")


async def test_waiting_for_the_end_gives_the_end(service: Service) -> None:
    """`Prefer: wait` on a POST: 200 with what a GET then gives, where it is, and that it was honoured."""
    async with service.client.post(
        "/api/jobs/echo", json={"text": "a b"}, headers={"Prefer": "wait=20"}
    ) as answer:
        job = await answer.json()
    assert answer.status == 200
    assert answer.headers["Preference-Applied"] == "wait=20"
    assert answer.headers["Location"] == job["links"]["self"]
    assert "Retry-After" not in answer.headers
    assert job["status"] == "success"
    assert [row["word"] for row in job["data"]["words"]] == ["a", "b"]
    async with service.client.get(answer.headers["Location"]) as polled:
        assert await polled.json() == job
        assert polled.headers["ETag"] == answer.headers["ETag"]


async def test_an_end_that_does_not_come_is_the_usual_202(service: Service) -> None:
    """Waiting longer than N seconds: 202 with the pending document."""
    post = asyncio.create_task(post_and_wait(service, 5))
    await until(lambda: len(service.jobs.hub) > 1)
    await service.clock.advance(4.9)
    assert not post.done()
    await service.clock.advance(0.2)
    status, applied, job = await post
    assert (status, applied) == (202, "wait=5")
    assert job["status"] == "pending"
    assert job["data"]["message"] == "Job started successfully"


async def post_and_wait(service: Service, seconds: int) -> tuple[int, str, dict[str, Any]]:
    headers = {"Prefer": f"wait={seconds}"}
    async with service.client.post("/api/jobs/gate", headers=headers) as answer:
        return answer.status, answer.headers["Preference-Applied"], await answer.json()


async def test_a_submitter_that_goes_away_leaves_its_job(service: Service) -> None:
    """A client that leaves while it waits loses the answer, not the job, and leaves no listener."""
    listeners, timers = len(service.jobs.hub), service.clock.timers
    post = asyncio.create_task(post_and_wait(service, 60))
    await until(lambda: len(service.jobs.hub) > listeners and bool(service.gate.started))
    post.cancel()
    await until(lambda: len(service.jobs.hub) == listeners)
    assert service.clock.timers <= timers + 1  # the job's own deadline
    async with service.client.get("/api/jobs") as answer:
        assert [job["status"] for job in (await answer.json())["jobs"]] == ["running"]


async def test_a_submit_of_no_kind_is_404(service: Service) -> None:
    """A kind that is not there and an id are no kinds; nothing starts."""
    job = await service.start()
    for name in ("nope", job["job_id"], "echo%2F..", "Echo"):
        async with service.client.post(f"/api/jobs/{name}") as answer:
            assert answer.status == 404
    async with service.client.post("/api/jobs/nope") as answer:
        assert (await problem(answer, 404))["detail"] == "Kind not found"
    async with service.client.get("/api/jobs") as answer:
        assert (await answer.json())["total_jobs"] == 1
