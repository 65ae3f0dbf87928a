"""The short way of a plain poll: it answers as the long way does."""

import pytest

from tests.service import Service, running_service

# A request id of the client's own takes the long way.
LONG = {"X-Request-ID": "long-way"}


async def answer(service: Service, target: str, **headers: str) -> tuple[int, dict[str, str], bytes]:
    """An answer without what differs by request."""
    async with service.client.get(target, headers=headers) as got:
        kept = {name: value for name, value in got.headers.items() if name not in ("X-Request-ID", "Date")}
        return got.status, kept, await got.read()


@pytest.mark.parametrize("state", ["finished", "running"])
async def test_both_ways_give_the_same(state: str) -> None:
    """Status, headers and body are equal to the byte, for a job that has ended and one that has not."""
    async with running_service() as service:
        job = await (service.finished(text="a b") if state == "finished" else service.running())
        target = job["links"]["self"]
        assert await answer(service, target) == await answer(service, target, **LONG)


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 401),
        ({"Authorization": "Bearer long-enough"}, 200),
        ({"Authorization": "Bearer long-enough", "Host": "evil.example"}, 421),
        ({"Authorization": "Bearer long-enough", "If-None-Match": "*"}, 304),
    ],
)
async def test_the_short_way_lets_nobody_in(headers: dict[str, str], status: int) -> None:
    """Host and token are checked on it as on the long one; a conditional request is answered as such."""
    async with running_service(token="long-enough") as service:
        service.client.headers["Authorization"] = "Bearer long-enough"
        target = (await service.finished(text="a"))["links"]["self"]
        del service.client.headers["Authorization"]
        for _ in range(2):  # the second time the Host is remembered
            assert (await answer(service, target, **headers))[0] == status


async def test_a_job_that_is_not_there_is_a_404() -> None:
    """An id that looks like one but is none."""
    async with running_service() as service:
        status, headers, _ = await answer(service, "/api/jobs/00000000-0000-4000-8000-000000000000")
        assert (status, headers["Content-Type"]) == (404, "application/problem+json")


async def test_its_answers_are_counted() -> None:
    """Plain polls stand in the metrics beside the others."""
    async with running_service() as service:
        target = (await service.finished(text="a"))["links"]["self"]
        for headers in ({}, {}, LONG):
            await answer(service, target, **headers)
        async with service.client.get("/metrics") as got:
            text = await got.text()
    line = 'kameo_async_http_requests_total{method="GET",route="/api/jobs/{job}",status="200"} 3.0'
    assert line in text
