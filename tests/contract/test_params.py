"""Params: the same from the query and the body, strict, and refused with a sentence for people."""

import gzip
import json
from typing import Any

import pytest

from kameo_async.kinds.loan_fetch import LoanFetchJobService
from tests.clock import FakeClock
from tests.contract.asking import problem, raw, total
from tests.service import Service, running_service

JSON = {"Content-Type": "application/json"}


@pytest.mark.parametrize(
    ("query", "body", "param", "seen"),
    [
        ("limit=3", None, "limit", 3),
        ("", {"limit": 3}, "limit", 3),
        ("page=2", {"limit": 3}, "limit", 3),
        ("page=2", {"limit": 3}, "page", 2),
        ("", {}, "limit", 12),
        ("", {"max_pages": None}, "max_pages", None),
        ("max_pages=7", None, "max_pages", 7),
        ("ratio=0.5", None, "ratio", 0.5),
        ("ratio=-2e3", None, "ratio", -2000),
        ("", {"ratio": 1}, "ratio", 1),
        ("is_fresh=true", None, "is_fresh", True),
        ("is_fresh=false", None, "is_fresh", False),
        ("note=", None, "note", ""),
        ("note=3", None, "note", "3"),
        ("note=%C3%A5%20+", None, "note", "å  "),
        ("countries=SE,NO", None, "countries", ["SE", "NO"]),
        ("countries=SE&countries=NO", None, "countries", ["SE", "NO"]),
        ("countries=SE,%20NO&countries=DK", None, "countries", ["SE", "NO", "DK"]),
        ("", {"countries": ["NO"]}, "countries", ["NO"]),
        ("ids=3,4&ids=5", None, "ids", [3, 4, 5]),
    ],
)
async def test_params_arrive(service: Service, query: str, body: Any, param: str, seen: object) -> None:
    """A param is the same value by either way; the two ways may be mixed for different names."""
    async with service.client.post(
        f"/api/jobs/mirror?{query}", json=body, headers={"Prefer": "wait=20"}
    ) as answer:
        assert answer.status == 200, await answer.text()
        assert (await answer.json())["data"][param] == seen


@pytest.mark.parametrize(
    "content_type", ["application/json; charset=utf-8", "Application/JSON;charset=UTF-8"]
)
async def test_a_charset_is_fine(service: Service, content_type: str) -> None:
    """JSON is UTF-8, and may say so."""
    headers = {"Content-Type": content_type, "Prefer": "wait=20"}
    async with service.client.post(
        "/api/jobs/mirror", data='{"note": "å"}'.encode(), headers=headers
    ) as answer:
        assert (await answer.json())["data"]["note"] == "å"


def padded(size: int) -> bytes:
    return b'{"limit": 3' + b" " * (size - 12) + b"}"


@pytest.mark.parametrize(("size", "status"), [(65_536, 202), (65_537, 413), (1_000_000, 413)])
async def test_a_body_may_have_64_kib(service: Service, size: int, status: int) -> None:
    """64 KiB are taken; one byte more is 413."""
    async with service.client.post("/api/jobs/mirror", data=padded(size), headers=JSON) as answer:
        if status == 202:
            assert answer.status == 202
        else:
            await problem(answer, status)


async def test_a_body_in_chunks_is_bounded_too(service: Service) -> None:
    """The bound counts what comes, not what is announced."""
    chunk = b"%x\r\n%b\r\n" % (70_000, padded(70_000))
    head = b"POST /api/jobs/mirror HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    said = await raw(
        service, head + b"Connection: close\r\nTransfer-Encoding: chunked\r\n\r\n", chunk + b"0\r\n\r\n"
    )
    assert said.startswith(b"HTTP/1.1 413 ")
    assert b"application/problem+json" in said


async def test_a_compressed_body_is_read(service: Service) -> None:
    """gzip is undone."""
    headers = JSON | {"Content-Encoding": "gzip", "Prefer": "wait=20"}
    body = gzip.compress(json.dumps({"limit": 7}).encode())
    async with service.client.post("/api/jobs/mirror", data=body, headers=headers) as answer:
        assert (await answer.json())["data"]["limit"] == 7


@pytest.mark.parametrize(("body", "status"), [(gzip.compress(padded(1_000_000)), 413), (b"no gzip", 400)])
async def test_a_bad_compressed_body_is_refused(service: Service, body: bytes, status: int) -> None:
    """What unpacks to more than 64 KiB is 413, what does not unpack is 400."""
    headers = JSON | {"Content-Encoding": "gzip"}
    async with service.client.post("/api/jobs/mirror", data=body, headers=headers) as answer:
        await problem(answer, status)
    assert await total(service) == 0


def loan_fetch() -> LoanFetchJobService:
    return LoanFetchJobService(
        lambda: pytest.fail("no settings are needed"), clock=FakeClock(), test_mode=True
    )


@pytest.mark.parametrize(
    ("query", "status", "detail"),
    [
        ("limit=1&page=1&max_pages=1&countries=SE,NO,DK&", 202, None),
        ("limit=100&max_pages=1000", 202, None),
        ("limit=0", 400, "Limit must be between 1 and 100"),
        ("limit=101", 400, "Limit must be between 1 and 100"),
        ("page=0", 400, "Page must be >= 1"),
        ("max_pages=0", 400, "Max pages must be between 1 and 1000"),
        ("max_pages=1001", 400, "Max pages must be between 1 and 1000"),
        ("countries=se", 400, None),
        ("pages=3", 400, "Unknown parameter: pages"),
    ],
)
async def test_fetch_loans_has_the_bounds_of_the_contract(
    query: str, status: int, detail: str | None
) -> None:
    """The main kind's params, from the outside."""
    async with (
        running_service([loan_fetch()]) as service,
        service.client.post(f"/api/jobs/fetch-loans?{query}") as answer,
    ):
        assert answer.status == status
        assert detail is None or (await answer.json())["detail"] == detail


async def test_duplicate_countries_collapse() -> None:
    """A country named twice is the same request as one named once: the key of idempotency finds it."""
    async with running_service([loan_fetch()]) as service:
        ids = set()
        for query in ("countries=SE,DK,SE", "countries=SE&countries=DK", "limit=12", ""):
            async with service.client.post(
                f"/api/jobs/fetch-loans?{query}", headers={"Idempotency-Key": "one"}
            ) as answer:
                assert answer.status == 202, await answer.text()
                ids.add((await answer.json())["job_id"])
    assert len(ids) == 1
