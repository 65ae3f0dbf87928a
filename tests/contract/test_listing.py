"""The list: filters, and pages that stay right while jobs come and go."""

from typing import Any

import pytest
from yarl import URL

from tests.contract.asking import problem
from tests.service import Service, running_service


async def listed(service: Service, path: str = "/api/jobs") -> tuple[dict[str, Any], str | None]:
    """A page, and where the next one is."""
    async with service.client.get(path) as answer:
        assert answer.status == 200, await answer.text()
        link = answer.links.get("next")
        assert (link is None) == ("Link" not in answer.headers)
        return await answer.json(), None if link is None else URL(link["url"]).raw_path_qs


async def names(service: Service, path: str) -> list[str]:
    """The ids of all pages from `path` on."""
    found: list[str] = []
    following: str | None = path
    while following is not None:
        page, following = await listed(service, following)
        found += [job["job_id"] for job in page["jobs"]]
    return found


async def test_the_list_is_newest_first(service: Service) -> None:
    """Whole documents but for `data`, which is null, the newest first."""
    jobs = [await service.finished(text=str(n)) for n in range(3)]
    page, following = await listed(service)
    assert page == {"total_jobs": 3, "jobs": [job | {"data": None} for job in reversed(jobs)]}
    assert following is None


async def test_an_empty_list(service: Service) -> None:
    """No jobs are a list of none."""
    assert await listed(service) == ({"total_jobs": 0, "jobs": []}, None)


async def test_a_page_has_twenty_jobs_at_first(service: Service) -> None:
    """20 by default, a Link to the rest, and `total_jobs` counts all."""
    ids = [(await service.finished())["job_id"] for _ in range(25)]
    page, following = await listed(service)
    assert (page["total_jobs"], len(page["jobs"])) == (25, 20)
    assert following is not None
    rest, end = await listed(service, following)
    assert (rest["total_jobs"], len(rest["jobs"]), end) == (25, 5, None)
    assert await names(service, "/api/jobs") == ids[::-1]


@pytest.mark.parametrize("limit", [1, 3, 5, 6, 100])
async def test_pages_of_any_size_hold_every_job_once(service: Service, limit: int) -> None:
    """No job twice, none left out, and no Link where nothing follows."""
    ids = [(await service.finished())["job_id"] for _ in range(6)]
    assert await names(service, f"/api/jobs?limit={limit}") == ids[::-1]


async def test_pages_stay_right_while_jobs_come_and_go() -> None:
    """A new job is on no later page, an expired one leaves no gap: each that stays is seen once."""
    async with running_service(job_ttl_seconds=100, reap_interval_seconds=1, max_running_jobs=20) as service:
        old = [(await service.finished())["job_id"] for _ in range(3)]
        await service.clock.advance(50)
        kept = [(await service.finished())["job_id"] for _ in range(6)]
        first, following = await listed(service, "/api/jobs?limit=2")
        for _ in range(3):
            await service.finished()
        await service.clock.advance(60)
        assert following is not None
        rest = await names(service, following)
        assert [job["job_id"] for job in first["jobs"]] + rest == kept[::-1]
        assert not set(old) & set(rest)


async def test_a_cursor_whose_job_is_gone_still_works(service: Service) -> None:
    """The place in the list outlives the job that it was read off."""
    jobs = [await service.start(name=str(n)) for n in range(9)]
    _, following = await listed(service, "/api/jobs?limit=3&status=running")
    assert following is not None
    for job in jobs[4:]:
        async with service.client.delete(job["links"]["self"]) as answer:
            assert answer.status == 200
    assert set(await names(service, following)) <= {job["job_id"] for job in jobs[:5]}


async def test_the_list_is_filtered(service: Service) -> None:
    """By status, by kind, by both; `total_jobs` counts what matches."""
    good, bad = await service.finished(text="a"), await service.finished(text="fail")
    running = await service.running()
    for query, jobs in {
        "status=success": [good],
        "status=failed": [bad],
        "status=running": [running],
        "status=cancelled": [],
        "kind=echo": [bad, good],
        "kind=gate": [running],
        "kind=nope": [],
        "kind=echo&status=success": [good],
        "kind=gate&status=success": [],
    }.items():
        page, _ = await listed(service, f"/api/jobs?{query}")
        assert [job["job_id"] for job in page["jobs"]] == [job["job_id"] for job in jobs], query
        assert page["total_jobs"] == len(jobs)


async def test_the_link_keeps_the_filters(service: Service) -> None:
    """Following the Link stays within what was asked for."""
    ids = [(await service.finished(kind="echo"))["job_id"] for _ in range(3)]
    await service.finished(kind="mirror")
    _, following = await listed(service, "/api/jobs?limit=1&kind=echo&status=success")
    assert following is not None
    assert {**URL(following).query} | {"cursor": ""} == {
        "limit": "1",
        "kind": "echo",
        "status": "success",
        "cursor": "",
    }
    assert await names(service, "/api/jobs?limit=1&kind=echo&status=success") == ids[::-1]


@pytest.mark.parametrize(
    ("query", "name", "message"),
    [
        ("limit=0", "limit", "Limit must be between 1 and 100"),
        ("limit=101", "limit", "Limit must be between 1 and 100"),
        ("limit=ten", "limit", "Limit must be between 1 and 100"),
        ("limit=", "limit", "Limit must be between 1 and 100"),
        ("status=done", "status", None),
        ("status=", "status", None),
        ("cursor=x", "cursor", None),
        ("cursor=", "cursor", None),
        ("cursor=-1", "cursor", None),
        (f"cursor={'9' * 5000}", "cursor", None),
        ("limit=1&limit=2", "limit", "Limit was given more than once"),
        ("stauts=failed", "stauts", "Unknown parameter: stauts"),
    ],
)
async def test_wrong_queries_of_the_list(
    service: Service, query: str, name: str, message: str | None
) -> None:
    """400 that names what is wrong."""
    async with service.client.get(f"/api/jobs?{query}") as answer:
        fields = await problem(answer, 400)
    assert [error["name"] for error in fields["errors"]] == [name]
    assert message is None or fields["detail"] == message
