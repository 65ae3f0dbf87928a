"""Idempotency-Key: one job for one key, for as long as the job is kept."""

import asyncio
from typing import Any

import pytest
from multidict import CIMultiDict

from tests.contract.asking import problem, total
from tests.service import Service, running_service


async def submit(service: Service, key: str = "k", kind: str = "gate", **params: Any) -> dict[str, Any]:
    headers = {"Idempotency-Key": key}
    async with service.client.post(f"/api/jobs/{kind}", json=params, headers=headers) as answer:
        assert answer.status == 202, await answer.text()
        job: dict[str, Any] = await answer.json()
        assert answer.headers["Location"] == job["links"]["self"]
        return job


async def test_a_replay_gives_the_same_job(service: Service) -> None:
    """The same key: the same job, 202 again, and nothing more is started."""
    assert (await submit(service))["job_id"] == (await submit(service))["job_id"]
    assert await total(service) == 1


async def test_other_keys_and_no_key_give_other_jobs(service: Service) -> None:
    """Keys are compared whole, case included; without one every submit is a job."""
    ids = {(await submit(service, key))["job_id"] for key in ("k", "K", "k2")}
    ids |= {(await service.start())["job_id"] for _ in range(2)}
    assert len(ids) == 5


async def test_a_replay_tells_the_present_status(service: Service) -> None:
    """While it runs and after it ended: the status is that of now, `data` that of the start, still 202."""
    first = await submit(service, kind="echo", text="a")
    async with service.client.get(first["links"]["self"], headers={"Prefer": "wait=20"}) as answer:
        ended = await answer.json()
    again = await submit(service, kind="echo", text="a")
    assert again == ended | {"data": first["data"]}
    assert again["status"] == "success"


async def test_a_replay_that_waits_gets_the_end(service: Service) -> None:
    """With `Prefer: wait` a replay of an ended job is its finished document."""
    await submit(service, kind="echo", text="a")
    headers = {"Idempotency-Key": "k", "Prefer": "wait=20"}
    async with service.client.post("/api/jobs/echo?text=a", headers=headers) as answer:
        assert answer.status == 200
        assert (await answer.json())["data"]["words"] == [{"n": 0, "word": "a"}]


async def test_params_are_compared_after_defaults(service: Service) -> None:
    """What is left out is the same as its default; query and body are the same."""
    job = await submit(service, kind="mirror")
    assert (await submit(service, kind="mirror", limit=12))["job_id"] == job["job_id"]
    async with service.client.post("/api/jobs/mirror?page=1", headers={"Idempotency-Key": "k"}) as answer:
        assert (await answer.json())["job_id"] == job["job_id"]


@pytest.mark.parametrize("target", ["echo?text=b", "mirror", "gate"])
async def test_a_key_for_something_else_is_422(service: Service, target: str) -> None:
    """Other params or another kind: refused, nothing started, and the first job is as it was."""
    job = await submit(service, kind="echo", text="a")
    async with service.client.post(f"/api/jobs/{target}", headers={"Idempotency-Key": "k"}) as answer:
        await problem(answer, 422)
    assert await total(service) == 1
    assert (await submit(service, kind="echo", text="a"))["job_id"] == job["job_id"]


async def test_a_refused_submit_does_not_use_up_its_key(service: Service) -> None:
    """A key whose request was wrong is free."""
    async with service.client.post("/api/jobs/echo?times=0", headers={"Idempotency-Key": "k"}) as answer:
        await problem(answer, 400)
    await submit(service, kind="echo", text="a")


async def test_concurrent_requests_with_one_key_start_one_job(service: Service) -> None:
    """Forty at once: one job, one id in all answers, run once."""
    jobs = await asyncio.gather(*[submit(service) for _ in range(40)])
    assert len({job["job_id"] for job in jobs}) == 1
    assert await total(service) == 1
    assert service.gate.started == ["one"]


async def test_concurrent_requests_that_differ_leave_one_winner(service: Service) -> None:
    """One key, ten different params at once: one job, and 422 for the rest."""

    async def status(n: int) -> int:
        headers = {"Idempotency-Key": "k"}
        async with service.client.post(f"/api/jobs/gate?name=n{n}", headers=headers) as answer:
            return answer.status

    statuses = await asyncio.gather(*map(status, range(10)))
    assert sorted(statuses) == [202] + [422] * 9
    assert await total(service) == 1


async def test_a_key_is_kept_as_long_as_its_job() -> None:
    """Until the job expires the key gives it; then it is free, also for something else."""
    async with running_service(job_ttl_seconds=100, reap_interval_seconds=1) as service:
        job = await submit(service, kind="echo", text="a")
        async with service.client.get(job["links"]["self"], headers={"Prefer": "wait=20"}) as answer:
            await answer.read()
        await service.clock.advance(98)
        assert (await submit(service, kind="echo", text="a"))["job_id"] == job["job_id"]
        await service.clock.advance(4)
        assert (await submit(service, kind="echo", text="b"))["job_id"] != job["job_id"]


async def test_a_replay_after_a_cancel_starts_nothing(service: Service) -> None:
    """A cancelled job is kept, and so is its key."""
    job = await submit(service)
    async with service.client.delete(job["links"]["self"]) as answer:
        assert answer.status == 200
    again = await submit(service)
    assert (again["job_id"], again["status"]) == (job["job_id"], "cancelled")


@pytest.mark.parametrize("key", ["a", "x" * 255, "!~", '"quoted"', "8e03978e-40d5-43dd-bc93-6894a57f9324"])
async def test_keys_that_may_be(service: Service, key: str) -> None:
    """1 to 255 visible ASCII characters."""
    await submit(service, key)


@pytest.mark.parametrize("key", ["", "x" * 256, "a b", "å", "a\tb"])
async def test_keys_that_may_not_be(service: Service, key: str) -> None:
    """Anything else is refused, and nothing starts."""
    async with service.client.post("/api/jobs/gate", headers={"Idempotency-Key": key}) as answer:
        fields = await problem(answer, 400)
    assert [error["name"] for error in fields["errors"]] == ["Idempotency-Key"]
    assert await total(service) == 0


async def test_two_keys_are_none(service: Service) -> None:
    """A request that has two keys is refused rather than guessed at."""
    headers = CIMultiDict([("Idempotency-Key", "a"), ("Idempotency-Key", "b")])
    async with service.client.post("/api/jobs/gate", headers=headers) as answer:
        await problem(answer, 400)
