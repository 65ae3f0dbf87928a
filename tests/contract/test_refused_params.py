"""Params that are refused: each with a sentence for people, and nothing starts."""

from typing import Any

import pytest

from tests.contract.asking import problem, total
from tests.service import Service

JSON = {"Content-Type": "application/json"}
pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest.mark.parametrize(
    ("query", "body", "name", "message"),
    [
        ("limit=0", None, "limit", "Limit must be between 1 and 100"),
        ("limit=101", None, "limit", "Limit must be between 1 and 100"),
        ("", {"limit": 101}, "limit", "Limit must be between 1 and 100"),
        ("page=0", None, "page", "Page must be >= 1"),
        ("max_pages=1001", None, "max_pages", "Max pages must be between 1 and 1000"),
        ("limit=ten", None, "limit", "Limit must be an integer"),
        ("limit=", None, "limit", "Limit must be an integer"),
        ("limit=3.0", None, "limit", "Limit must be an integer"),
        ("limit=1_0", None, "limit", "Limit must be an integer"),
        ("limit=%D9%A3", None, "limit", "Limit must be an integer"),
        (f"limit={'9' * 6000}", None, "limit", "Limit must be an integer"),
        ("", {"limit": "3"}, "limit", "Limit must be an integer"),
        ("", {"limit": True}, "limit", "Limit must be an integer"),
        ("", {"limit": 3.0}, "limit", "Limit must be an integer"),
        ("", {"limit": None}, "limit", "Limit must be an integer"),
        ("", {"limit": [3]}, "limit", "Limit must be an integer"),
        ("ratio=nan", None, "ratio", "Ratio must be a number"),
        ("ratio=inf", None, "ratio", "Ratio must be a number"),
        ("ratio=1_0", None, "ratio", "Ratio must be a number"),
        ("is_fresh=1", None, "is_fresh", "Is fresh must be true or false"),
        ("", {"is_fresh": 1}, "is_fresh", "Is fresh must be true or false"),
        ("", {"note": 3}, "note", "Note must be a string"),
        ("", {"countries": "SE"}, "countries", "Countries must be an array"),
        ("limit=1&limit=2", None, "limit", "Limit was given more than once"),
        ("limit=1", {"limit": 1}, "limit", "Limit was given in the query and in the body"),
        ("countries=SE", {"countries": ["SE"]}, "countries", None),
        ("countries=FI", None, "countries", "Countries must be 'SE', 'NO' or 'DK'"),
        ("countries=FI,XX", None, "countries", "Countries must be 'SE', 'NO' or 'DK'"),
        ("countries=", None, "countries", None),
        ("", {"countries": []}, "countries", "Countries must have at least 1 item, not 0"),
        ("countries=%5B%22SE%22%5D", None, "countries", None),
        ("colour=red", None, "colour", "Unknown parameter: colour"),
        ("", {"colour": "red"}, "colour", "Unknown parameter: colour"),
        ("Limit=1", None, "Limit", "Unknown parameter: Limit"),
    ],
)
async def test_wrong_params_are_refused(
    shared: Service, query: str, body: Any, name: str, message: str | None
) -> None:
    """400 whose detail is the first message and whose errors name the param; nothing starts."""
    async with shared.client.post(f"/api/jobs/mirror?{query}", json=body) as answer:
        fields = await problem(answer, 400)
    assert [error["name"] for error in fields["errors"]] == [name]
    assert fields["detail"] == fields["errors"][0]["message"]
    assert message is None or fields["detail"] == message
    assert await total(shared) == 0


async def test_every_wrong_param_is_named(shared: Service) -> None:
    """Several wrong params are several errors; the detail is the first."""
    async with shared.client.post("/api/jobs/mirror", json={"limit": 0, "page": 0}) as answer:
        fields = await problem(answer, 400)
    assert [error["name"] for error in fields["errors"]] == ["limit", "page"]
    assert fields["detail"] == "Limit must be between 1 and 100"


@pytest.mark.parametrize(
    "body",
    [
        b"[1]",
        b"3",
        b'"text"',
        b"null",
        b"{",
        b'{"limit": 1} x',
        b"{'limit': 1}",
        b'{"limit": NaN}',
        b'{"ratio": 1e999}',
        b"\xff\xfe{}",
        b"\xff",
        '{"limit": 1}'.encode("utf-16"),
        b'{"note": "\\ud800"}',
        b"[" * 15_000,
        b'{"ids": ' + b"[" * 300 + b"]" * 300 + b"}",
        b'{"limit": ' + b"9" * 6000 + b"}",
    ],
)
async def test_a_body_that_is_no_json_object_is_refused(shared: Service, body: bytes) -> None:
    """400, and nothing starts."""
    async with shared.client.post("/api/jobs/mirror", data=body, headers=JSON) as answer:
        await problem(answer, 400)
    assert await total(shared) == 0


@pytest.mark.parametrize(
    "content_type",
    ["text/plain", "application/x-www-form-urlencoded", "application/xml", "text/json", "junk"],
)
async def test_a_body_that_is_not_json_by_its_type_is_415(shared: Service, content_type: str) -> None:
    """A form or a text, which any page may send, starts nothing."""
    headers = {"Content-Type": content_type}
    async with shared.client.post("/api/jobs/mirror", data=b"{}", headers=headers) as answer:
        await problem(answer, 415)
    assert await total(shared) == 0


async def test_a_body_without_a_type_is_415(shared: Service) -> None:
    """A body that does not say what it is, is not taken for JSON."""
    async with shared.client.post(
        "/api/jobs/mirror", data=b"{}", skip_auto_headers=["Content-Type"]
    ) as answer:
        await problem(answer, 415)
