"""The page's files: whole, with an ETag, and with problem documents where there is none."""

import hashlib
import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.service import Service, running_service

STATIC = Path(__file__).parent.parent / "static"


@pytest.fixture
async def service() -> AsyncIterator[Service]:
    async with running_service() as running:
        yield running


@pytest.mark.parametrize(
    ("path", "name", "mime"),
    [
        ("/", "index.html", "text/html; charset=utf-8"),
        ("/docs", "docs.html", "text/html; charset=utf-8"),
        ("/static/app.js", "app.js", "text/javascript; charset=utf-8"),
        ("/static/page.css", "page.css", "text/css; charset=utf-8"),
        ("/static/favicon.svg", "favicon.svg", "image/svg+xml; charset=utf-8"),
        (
            "/static/vendor/swagger-ui/swagger-ui.css",
            "vendor/swagger-ui/swagger-ui.css",
            "text/css; charset=utf-8",
        ),
    ],
)
@pytest.mark.parametrize(
    "headers", [{}, {"Range": "bytes=0-3"}, {"Range": "bytes=99999999-"}, {"If-Match": '"x"'}]
)
async def test_a_file_comes_whole(
    service: Service, path: str, name: str, mime: str, headers: dict[str, str]
) -> None:
    """Content, type and charset are right, whatever part a client wants; browsers ask again each time."""
    async with service.client.get(path, headers=headers) as answer:
        assert (answer.status, answer.headers["Content-Type"]) == (200, mime)
        assert answer.headers["Cache-Control"] == "no-cache"
        assert await answer.read() == (STATIC / name).read_bytes()


async def test_a_file_that_the_client_has_is_not_sent_again(service: Service) -> None:
    """304 for its ETag, 200 for another; HEAD gives the length without the content."""
    async with service.client.head("/static/app.js") as answer:
        assert int(answer.headers["Content-Length"]) == (STATIC / "app.js").stat().st_size
        tag = answer.headers["ETag"]
    async with service.client.get("/static/app.js", headers={"If-None-Match": tag}) as answer:
        assert (answer.status, answer.headers["ETag"], await answer.read()) == (304, tag, b"")
    async with service.client.get("/static/app.js", headers={"If-None-Match": '"other"'}) as answer:
        assert answer.status == 200


@pytest.mark.parametrize(
    "path",
    [
        "/static/none.js",
        "/static/",
        "/static/vendor",
        "/static/%00",
        "/static/" + "a" * 300,
        "/static//etc/hosts",
    ],
)
async def test_what_is_no_file_is_not_found(service: Service, path: str) -> None:
    """A name of nothing, of a folder, or one that no file can have, is a 404 with its problem."""
    async with service.client.get(path) as answer:
        assert (answer.status, answer.content_type) == (404, "application/problem+json")
        assert (await answer.json())["status"] == 404


def test_vendored_files_are_what_their_table_says() -> None:
    """Everything from elsewhere stands in the table with its checksum, or is a licence or a notice."""
    folder = STATIC / "vendor"
    table = (folder / "README.md").read_text()
    rows = dict(re.findall(r"^\| `([^`]+)` .*`([0-9a-f]{64})` \|$", table, re.MULTILINE))
    files = {str(path.relative_to(folder)) for path in folder.glob("*/*")}
    assert {name for name in files if not re.search("LICENSE|NOTICE", name)} == set(rows)
    for name, checksum in rows.items():
        assert hashlib.sha256((folder / name).read_bytes()).hexdigest() == checksum
        assert (folder / name).parent.joinpath("LICENSE").is_file()
