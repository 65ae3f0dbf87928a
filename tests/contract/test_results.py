"""The result alone: JSON, CSV, Excel, by `?format=` or by Accept."""

import io
import json
from typing import Any

import openpyxl
import pytest

from tests.contract.asking import problem
from tests.service import Service, running_service

XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"


@pytest.fixture
async def job(service: Service) -> dict[str, Any]:
    return await service.finished(text="å b")


async def test_the_result_is_the_data_of_the_document(service: Service, job: dict[str, Any]) -> None:
    """As JSON it is what `data` holds, shown and not downloaded."""
    async with service.client.get(job["links"]["result"]) as answer:
        assert await answer.json() == job["data"]
        assert answer.content_type == "application/json"
        assert "Content-Disposition" not in answer.headers
        assert answer.headers["Vary"] == "Accept"


async def test_the_result_as_csv(service: Service, job: dict[str, Any]) -> None:
    """UTF-8 with a mark that Excel knows, a header, a file name with the day that the job ended."""
    async with service.client.get(f"{job['links']['result']}?format=csv") as answer:
        body = await answer.read()
        assert answer.headers["Content-Type"] == "text/csv; charset=utf-8"
        assert answer.headers["Content-Disposition"] == 'attachment; filename="echo-2026-01-31.csv"'
    assert body.startswith(b"\xef\xbb\xbf")
    assert body.decode("utf-8-sig").splitlines() == ["n,word", "0,å", "1,b"]


@pytest.mark.parametrize("locale", ["sv", "da", "no"])
async def test_the_csv_that_a_nordic_excel_opens(service: Service, job: dict[str, Any], locale: str) -> None:
    """Semicolons between the cells, asked for by parameter or by header."""
    path = job["links"]["result"]
    async with service.client.get(f"{path}?format=csv&locale={locale}") as answer:
        assert "0;å" in await answer.text()
    async with service.client.get(f"{path}?locale={locale}", headers={"Accept": "text/csv"}) as answer:
        assert "0;å" in await answer.text()


async def test_the_result_as_excel(service: Service, job: dict[str, Any]) -> None:
    """A workbook with the rows, numbers as numbers, under a name with the day."""
    async with service.client.get(f"{job['links']['result']}?format=xlsx") as answer:
        body = await answer.read()
        assert answer.headers["Content-Type"] == XLSX
        assert answer.headers["Content-Disposition"] == 'attachment; filename="echo-2026-01-31.xlsx"'
    sheet = openpyxl.load_workbook(io.BytesIO(body)).worksheets[0]
    assert [[cell.value for cell in row] for row in sheet.iter_rows(min_row=2)] == [[0, "å"], [1, "b"]]


@pytest.mark.parametrize("query", ["format=csv", "format=xlsx"])
async def test_a_table_of_a_kind_that_has_none_is_406(service: Service, query: str) -> None:
    """A kind that names no table has its result as JSON alone."""
    job = await service.finished(kind="mirror")
    async with service.client.get(f"{job['links']['result']}?{query}") as answer:
        await problem(answer, 406)
    async with service.client.get(job["links"]["result"], headers={"Accept": "text/csv"}) as answer:
        await problem(answer, 406)
    async with service.client.get(job["links"]["result"]) as answer:
        assert await answer.json() == job["data"]


async def test_a_result_that_is_not_there_yet_is_409_with_retry_after() -> None:
    """While the job waits or runs: come again, in any form."""
    async with running_service(max_running_jobs=1) as service:
        jobs = [await service.running("a"), await service.start(name="b")]
        for job in jobs:
            async with service.client.get(job["links"]["result"]) as answer:
                await problem(answer, 409)
                assert int(answer.headers["Retry-After"]) >= 1


async def test_a_result_that_never_will_be_is_409_without_retry_after(service: Service) -> None:
    """A failed and a cancelled job have none."""
    failed, running = await service.finished(text="fail"), await service.running()
    async with service.client.delete(running["links"]["self"]) as answer:
        assert answer.status == 200
    for job in (failed, running):
        async with service.client.get(job["links"]["result"]) as answer:
            await problem(answer, 409)
            assert "Retry-After" not in answer.headers


async def test_the_result_of_no_job_is_404(service: Service) -> None:
    """Job not found."""
    async with service.client.get("/api/jobs/nope/result") as answer:
        assert (await problem(answer, 404))["detail"] == "Job not found"


async def test_numbers_keep_their_digits(service: Service) -> None:
    """The same bytes in the document and alone, no number rounded on the way."""
    job = await service.finished(kind="mirror", ratio=0.1)
    async with (
        service.client.get(job["links"]["result"]) as alone,
        service.client.get(job["links"]["self"]) as whole,
    ):
        text = await alone.text()
        assert json.loads(text)["ratio"] == 0.1
        assert f'"data":{text},' in await whole.text()
