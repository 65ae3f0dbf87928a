"""Too much: bounds on what runs and waits, and nothing that got 202 is dropped."""

import asyncio
from collections import Counter
from functools import partial

import pytest

from tests.contract.asking import problem, until
from tests.service import Echo, Service, running_service


async def listed(service: Service, query: str) -> list[str]:
    async with service.client.get(f"/api/jobs?limit=100&{query}") as answer:
        return [job["job_id"] for job in (await answer.json())["jobs"]]


async def post(service: Service, name: str) -> tuple[int, str]:
    """The status, and the id where a job was started."""
    async with service.client.post("/api/jobs/gate", json={"name": name}) as answer:
        document = await answer.json()
        if answer.status == 503:
            await problem(answer, 503)
            assert int(answer.headers["Retry-After"]) >= 1
        return answer.status, document.get("job_id", "")


def have_started(service: Service, count: int) -> bool:
    return len(service.gate.started) == count


async def test_so_many_run_at_once_and_the_rest_wait_in_order() -> None:
    """As slots come free, jobs start in the order of their submits."""
    async with running_service(max_running_jobs=3) as service:
        names = [f"n{n}" for n in range(12)]
        for name in names:
            assert (await post(service, name))[0] == 202
        await until(lambda: len(service.gate.started) == 3)
        assert len(await listed(service, "status=pending")) == 9
        for done, name in enumerate(names, 1):
            service.gate.gate(name).set()
            await until(partial(have_started, service, min(12, 3 + done)))
        assert service.gate.started == names
        assert service.gate.most == 3
        await until(lambda: service.jobs.active_jobs == 0)
        assert len(await listed(service, "status=success")) == 12


async def test_a_submit_too_many_is_503_with_retry_after() -> None:
    """Running and waiting places are filled; one more is refused and leaves nothing; an end makes room."""
    async with running_service(max_running_jobs=2, max_pending_jobs=3) as service:
        statuses = [(await post(service, f"n{n}"))[0] for n in range(7)]
        assert statuses == [202] * 5 + [503] * 2
        assert len(await listed(service, "")) == 5
        service.gate.gate("n0").set()
        await until(lambda: service.jobs.active_jobs == 4)
        assert [(await post(service, f"m{n}"))[0] for n in range(2)] == [202, 503]


@pytest.mark.parametrize("cancelled", ["n0", "n3"])
async def test_a_cancel_makes_room(cancelled: str) -> None:
    """Of a job that runs as of one that waits."""
    async with running_service(max_running_jobs=2, max_pending_jobs=2) as service:
        ids = {f"n{n}": (await post(service, f"n{n}"))[1] for n in range(4)}
        assert (await post(service, "more"))[0] == 503
        async with service.client.delete(f"/api/jobs/{ids[cancelled]}") as answer:
            assert answer.status == 200
        assert (await post(service, "more"))[0] == 202


async def test_nothing_that_got_202_is_dropped() -> None:
    """A hundred at once against few places: each 202 is a job that runs, in order; each 503 is none."""
    async with running_service(max_running_jobs=4, max_pending_jobs=20) as service:
        answers = await asyncio.gather(*[post(service, f"n{n}") for n in range(100)])
        assert Counter(status for status, _ in answers) == {202: 24, 503: 76}
        accepted = {job_id for status, job_id in answers if status == 202}
        order = await listed(service, "")
        assert set(order) == accepted
        for n in range(100):
            service.gate.gate(f"n{n}").set()
        await until(lambda: service.jobs.active_jobs == 0)
        assert set(await listed(service, "status=success")) == accepted
        names = [await name_of(service, job_id) for job_id in reversed(order)]
        assert service.gate.started == names


async def name_of(service: Service, job_id: str) -> str:
    async with service.client.get(f"/api/jobs/{job_id}/result") as answer:
        return str((await answer.json())["name"])


async def test_submits_that_race_a_shutdown_end_or_are_refused() -> None:
    """Each gets 202 and an end that says why, or 503."""
    async with running_service(max_running_jobs=2) as service:
        racing = [asyncio.create_task(post(service, f"n{n}")) for n in range(30)]
        await until(lambda: service.jobs.active_jobs > 3)
        closing = asyncio.ensure_future(service.jobs.close())
        answers = await asyncio.gather(*racing)
        await service.clock.advance(2)
        await closing
        accepted = {job_id for status, job_id in answers if status == 202}
        assert {status for status, _ in answers} <= {202, 503}
        assert set(await listed(service, "status=cancelled")) == accepted
        for job_id in accepted:
            async with service.client.get(f"/api/jobs/{job_id}") as answer:
                assert (await answer.json())["error_code"] == "shutdown"


async def test_a_known_key_is_answered_when_all_is_full() -> None:
    """A replay starts nothing, so it needs no room."""
    async with running_service(max_running_jobs=1, max_pending_jobs=0) as service:
        headers = {"Idempotency-Key": "k"}
        async with service.client.post("/api/jobs/gate", headers=headers) as answer:
            first = await answer.json()
        assert (await post(service, "more"))[0] == 503
        async with service.client.post("/api/jobs/gate", headers=headers) as answer:
            assert (answer.status, (await answer.json())["job_id"]) == (202, first["job_id"])


async def test_who_waits_for_the_end_gets_it_however_little_is_kept():
    """Not held up behind others first: a finished job that there is no room for is gone by then."""
    async with running_service([Echo()], max_running_jobs=1, max_kept_bytes=1, is_watched=False) as service:

        async def submit() -> int:
            async with service.client.post("/api/jobs/echo?text=a", headers={"Prefer": "wait=20"}) as answer:
                return answer.status

        assert await asyncio.gather(*[submit() for _ in range(60)]) == [200] * 60
