"""In which form a result comes: by `?format=`, else by Accept."""

from typing import Any

import pytest
import pytest_asyncio

from tests.contract.asking import problem
from tests.service import Service

XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def job(shared: Service) -> dict[str, Any]:
    return await shared.finished(text="a b")


@pytest.mark.parametrize(
    ("accept", "content_type"),
    [
        ("*/*", "application/json"),
        ("", "application/json"),
        ("application/*", "application/json"),
        ("text/csv", "text/csv"),
        ("TEXT/CSV", "text/csv"),
        ("text/csv; charset=utf-8", "text/csv"),
        ("text/*", "text/csv"),
        (XLSX, XLSX),
        ("text/csv, application/json", "application/json"),
        ("application/json;q=0.5, text/csv;q=0.5", "application/json"),
        ("application/json;q=0.5, text/csv;q=0.6", "text/csv"),
        ("application/json ; q=0.5 , text/csv", "text/csv"),
        ("*/*;q=0.1, text/csv", "text/csv"),
        ("text/csv;q=0, */*", "application/json"),
        ("application/json;q=0, text/csv;q=0.001", "text/csv"),
        ("application/json;q=0, */*;q=0.5", "text/csv"),
        ("application/json;q=nan, text/csv;q=0.1", "text/csv"),
        ("application/json;q=7, text/csv;q=0.1", "text/csv"),
        ("text/html, application/xhtml+xml, */*;q=0.8", "application/json"),
        (" , ", "application/json"),
    ],
)
async def test_accept_decides(shared: Service, job: dict[str, Any], accept: str, content_type: str) -> None:
    """RFC 9110: the highest q wins, the most specific range counts, a tie is JSON."""
    async with shared.client.get(job["links"]["result"], headers={"Accept": accept}) as answer:
        assert answer.status == 200
        assert answer.content_type == content_type


@pytest.mark.parametrize(
    ("accept", "status"),
    [("text/csv, application/json;q=0.5", 200), ("text/*, */*;q=0.1", 200), ("text/csv", 406)],
)
async def test_a_result_that_is_no_table_comes_as_json_alone(
    shared: Service, accept: str, status: int
) -> None:
    """A table is preferred, there is none, and JSON would do: JSON. Only where it would not: 406."""
    job = await shared.finished("mirror")
    async with shared.client.get(job["links"]["result"], headers={"Accept": accept}) as answer:
        assert answer.status == status
        assert answer.content_type == ("application/json" if status == 200 else "application/problem+json")


async def test_without_accept_the_result_is_json(shared: Service, job: dict[str, Any]) -> None:
    """No Accept at all is anything."""
    async with shared.client.get(job["links"]["result"], skip_auto_headers=["Accept"]) as answer:
        assert answer.content_type == "application/json"


async def test_the_format_outweighs_accept(shared: Service, job: dict[str, Any]) -> None:
    """A link with `?format=` gives what it says in any browser."""
    async with shared.client.get(
        f"{job['links']['result']}?format=csv", headers={"Accept": "text/html"}
    ) as answer:
        assert answer.content_type == "text/csv"
    async with shared.client.get(
        f"{job['links']['result']}?format=json", headers={"Accept": "text/csv"}
    ) as answer:
        assert answer.content_type == "application/json"


@pytest.mark.parametrize("accept", ["text/html", "image/*", "application/json;q=0", "*/*;q=0", "junk"])
async def test_another_type_is_406(shared: Service, job: dict[str, Any], accept: str) -> None:
    """A type that there is none of, with the ones that there are."""
    async with shared.client.get(job["links"]["result"], headers={"Accept": accept}) as answer:
        assert "text/csv" in (await problem(answer, 406))["detail"]


@pytest.mark.parametrize("name", ["pdf", "CSV", ""])
async def test_another_format_is_406(shared: Service, job: dict[str, Any], name: str) -> None:
    """The same for `?format=`."""
    async with shared.client.get(f"{job['links']['result']}?format={name}") as answer:
        await problem(answer, 406)


@pytest.mark.parametrize("query", ["locale=de", "locale=", "format=csv&format=csv", "colour=red"])
async def test_wrong_queries_of_a_result(shared: Service, job: dict[str, Any], query: str) -> None:
    """Another locale, a name twice, an unknown name: 400."""
    async with shared.client.get(f"{job['links']['result']}?{query}") as answer:
        assert (await problem(answer, 400))["errors"]
