"""Requests and the answers that they must get, over raw sockets, from a real process."""

import gzip
import json
import re

import pytest

from tests.contract.kinds import Unsound
from tests.service import running_service
from tests.trust.conftest import Process
from tests.trust.raw import UPGRADE, ask, request

SUBMIT = "/api/jobs/fetch-loans"
JSON = "Content-Type: application/json"


def jobs(process: Process) -> int:
    """How many jobs there are."""
    total: int = json.loads(ask(process.port, request(process.port, "GET", "/api/jobs")).body)["total_jobs"]
    return total


@pytest.mark.parametrize(
    "host",
    ["evil.example", "localhost.evil.example", "localhost@evil", "0.0.0.0:8000", "", "[::]", "127.0.0.1:x"],
)
def test_a_foreign_host_is_misdirected(process: Process, host: str) -> None:
    """Row 1: a rebound page sends no Origin, so Host is the only defence."""
    answer = ask(process.port, request(process.port, host=host))
    assert (answer.status, answer.headers["content-type"].split(";")[0]) == (421, "application/problem+json")


def test_the_absolute_form_of_a_foreign_host_is_misdirected(process: Process) -> None:
    """Row 1: the absolute form overrides Host (RFC 9112 section 3.2.2)."""
    assert ask(process.port, request(process.port, "GET", "http://evil.example/api/health")).status == 421


@pytest.mark.parametrize(
    "host", ["[::1]:{port}", "LOCALHOST:{port}", "localhost", "127.0.0.1:9", "127.9.9.9"]
)
def test_loopback_names_are_ours(process: Process, host: str) -> None:
    """Row 2: loopback names and addresses, at any port."""
    assert ask(process.port, request(process.port, host=host.format(port=process.port))).status == 200


@pytest.mark.parametrize(
    "line",
    [
        "Origin: http://evil.example",
        "Origin: null",
        "Origin: http://localhost:3000.evil.example",
        "Origin: http://localhost:3000",
        "Sec-Fetch-Site: cross-site",
        "Sec-Fetch-Site: same-site",
    ],
)
def test_a_write_from_elsewhere_starts_nothing(process: Process, line: str) -> None:
    """Rows 3 and 4: CORS blocks reading, not doing."""
    before = jobs(process)
    assert ask(process.port, request(process.port, "POST", SUBMIT, line)).status == 403
    assert jobs(process) == before


@pytest.mark.parametrize(
    "line",
    ["Origin: http://127.0.0.1:{port}", "Origin: http://localhost:8000", "Sec-Fetch-Site: same-origin"],
)
def test_a_write_from_here_is_taken(process: Process, line: str) -> None:
    """The service's own origin, and those of the settings, may write."""
    assert (
        ask(process.port, request(process.port, "POST", SUBMIT, line.format(port=process.port))).status == 202
    )


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data"])
def test_a_body_that_is_no_json_is_refused(process: Process, kind: str) -> None:
    """Row 5: what a plain form could send is not taken."""
    answer = ask(process.port, request(process.port, "POST", SUBMIT, f"Content-Type: {kind}", body=b"{}"))
    assert answer.status == 415


@pytest.mark.parametrize("path", ["/api/jobs/ws", f"{SUBMIT}/ws"])
def test_a_websocket_of_a_foreign_page_is_not_opened(process: Process, path: str) -> None:
    """Row 6: 403 before the upgrade."""
    lines = (*UPGRADE, "Origin: http://evil.example")
    assert ask(process.port, request(process.port, "GET", path, *lines)).status == 403


def test_a_websocket_of_a_program_is_opened(process: Process) -> None:
    """Programs that are no browser send no Origin, and may come in."""
    assert ask(process.port, request(process.port, "GET", "/api/jobs/ws", *UPGRADE)).status == 101


@pytest.mark.parametrize(
    ("origin", "method", "header", "status"),
    [
        ("http://localhost:8000", "DELETE", "Authorization, Idempotency-Key", 200),
        ("http://localhost:8000", "GET", "If-None-Match, Prefer, X-Request-ID", 200),
        ("http://127.0.0.1:{port}", "POST", "Content-Type", 200),
        ("http://evil.example", "DELETE", "Content-Type", 403),
        ("http://localhost:8000", "PATCH", "Content-Type", 403),
        ("http://localhost:8000", "POST", "X-Other", 403),
    ],
)
def test_preflights(process: Process, origin: str, method: str, header: str, status: int) -> None:
    """Row 10: allowed origin, foreign origin, method not offered, header not offered."""
    lines = (
        f"Origin: {origin.format(port=process.port)}",
        f"Access-Control-Request-Method: {method}",
        f"Access-Control-Request-Headers: {header}",
    )
    answer = ask(process.port, request(process.port, "OPTIONS", SUBMIT, *lines))
    assert answer.status == status
    assert ("access-control-allow-methods" in answer.headers) == (status == 200)


@pytest.mark.parametrize(
    ("method", "target", "status"),
    [
        ("GET", "/api/health", 200),
        ("GET", "/api/nothing", 404),
        ("GET", "/api/jobs/nothing", 404),
        ("PUT", "/api/jobs", 405),
        ("POST", f"{SUBMIT}?limit=0", 400),
        ("DELETE", "/api/jobs/nothing", 404),
        ("GET", "/api/jobs/ws", 426),
    ],
)
def test_an_allowed_origin_can_read_each_answer(
    process: Process, method: str, target: str, status: int
) -> None:
    """Row 11: errors too carry the CORS headers and `Vary: Origin`."""
    answer = ask(process.port, request(process.port, method, target, "Origin: http://localhost:8000"))
    assert answer.status == status
    assert answer.headers["access-control-allow-origin"] == "http://localhost:8000"
    assert answer.headers["access-control-allow-credentials"] == "true"
    assert answer.headers["vary"] == "Origin"
    assert answer.headers["access-control-expose-headers"] == (
        "Location, ETag, Retry-After, Link, X-Request-ID, Preference-Applied"
    )


def test_an_allowed_origin_can_read_that_a_body_is_too_large(process: Process) -> None:
    """Row 11, for 413."""
    lines = (JSON, "Origin: http://localhost:8000")
    answer = ask(process.port, request(process.port, "POST", SUBMIT, *lines, body=b" " * 70_000))
    assert (answer.status, answer.headers["vary"]) == (413, "Origin")
    assert answer.headers["access-control-allow-origin"] == "http://localhost:8000"


async def test_an_allowed_origin_can_read_an_error_of_ours() -> None:
    """Row 11, for 500."""
    async with (
        running_service([Unsound()]) as service,
        service.client.post("/api/jobs/unsound", headers={"Origin": "http://localhost:8000"}) as answer,
    ):
        assert (answer.status, answer.headers["Vary"]) == (500, "Origin")
        assert answer.headers["Access-Control-Allow-Origin"] == "http://localhost:8000"


def test_answers_to_a_foreign_origin_cannot_be_read(process: Process) -> None:
    """A foreign page gets no CORS header."""
    answer = ask(process.port, request(process.port, "GET", "/api/jobs", "Origin: http://evil.example"))
    assert "access-control-allow-origin" not in answer.headers


@pytest.mark.parametrize("packed", [False, True])
def test_a_body_over_the_limit_is_refused(process: Process, packed: bool) -> None:
    """Row 13: 64 KiB, counted after decompression; memory stays flat."""
    before = process.memory
    body = gzip.compress(b" " * 30_000_000) if packed else b" " * 70_000
    lines = (JSON, "Content-Encoding: gzip") if packed else (JSON,)
    assert ask(process.port, request(process.port, "POST", SUBMIT, *lines, body=body)).status == 413
    assert process.memory - before < 8 * 1024 * 1024


@pytest.mark.parametrize(
    "body",
    [
        b"[" * 15_000,
        b'{"limit":' + b"[" * 15_000 + b"]" * 15_000 + b"}",
        b'{"limit":' + b"9" * 6_000 + b"}",
        '{"limit":1}'.encode("utf-16"),
        b'{"limit":NaN}',
        b'{"limit":true}',
        b'{"limit":"3"}',
        b'{"limit":3.0}',
        b'{"limit":1e400}',
        b"[]",
        b"3",
        b'{"limit"',
        b'{"countries":["\\ud800"]}',
    ],
)
def test_a_body_that_is_not_right_is_a_bad_request(process: Process, body: bytes) -> None:
    """Row 14: depth, integers, encodings, types."""
    answer = ask(process.port, request(process.port, "POST", SUBMIT, JSON, body=body))
    assert answer.status == 400, answer.body


MARKER = "marker-of-this-test"


@pytest.mark.parametrize(
    "data",
    [
        f"GET /{MARKER}{'a' * 9000} HTTP/1.1\r\nHost: localhost\r\n\r\n",
        f"GET / HTTP/1.1\r\nHost: localhost\r\nX-{MARKER}: {'a' * 9000}\r\n\r\n",
        f"GET / HTTP/1.1\r\nHost: localhost\r\nHost: {MARKER}\r\n\r\n",
        f"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n{MARKER}",
        f"GET / HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {MARKER}\x00\r\n\r\n",
        f"GET / HTTP/1.1\r\nHost: localhost\r\nUser-Agent: \x1b[31m{MARKER}\r\n\r\n",
        f"GET / HTTP/1.1\r\nHost: localhost\r\nOrigin: \x1b{MARKER}\r\n\r\n",
        f"GET /\x1b{MARKER} HTTP/1.1\r\nHost: localhost\r\n\r\n",
        f"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: -{MARKER}\r\n\r\n",
        f"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n{MARKER}\r\n",
        f"\x16\x03\x01{MARKER}\r\n\r\n",
    ],
)
def test_what_is_no_request_is_refused_without_an_echo(process: Process, data: str) -> None:
    """Row 15: 400; the answer, its headers and the log hold nothing of it, no version and no traceback."""
    answer = ask(process.port, data.encode("latin-1"))
    assert answer.status == 400
    problem = json.loads(answer.body)
    assert (problem["status"], problem["request_id"]) == (400, answer.headers["x-request-id"])
    assert answer.headers["server"] == "kameo-async"
    for text in (answer.raw.decode("latin-1"), process.log):
        assert MARKER not in text
        assert "Traceback" not in text


def test_an_expectation_that_cannot_be_met_is_a_problem(process: Process) -> None:
    """What the framework refuses before any handler is a problem document too."""
    answer = ask(process.port, request(process.port, "POST", SUBMIT, "Expect: miracles"))
    assert (answer.status, json.loads(answer.body)["status"]) == (417, 417)


@pytest.mark.parametrize(
    ("method", "target", "status"),
    [
        ("GET", "/static/../pyproject.toml", 404),
        ("GET", "/static/..%2fpyproject.toml", 404),
        ("GET", "/static/%2e%2e/pyproject.toml", 404),
        ("TRACE", "/", 405),
        ("OPTIONS", "/api/jobs", 403),
        ("GET", "/api/jobs/%ff%fe", 404),
        ("POST", "/api/jobs/ws", 405),
    ],
)
def test_paths_and_methods(process: Process, method: str, target: str, status: int) -> None:
    """Row 23: no way out of the page's folder, no method that is not offered."""
    assert ask(process.port, request(process.port, method, target)).status == status


def test_control_characters_of_a_url_stay_in_one_line(process: Process) -> None:
    """Row 20: one escaped log line, without the query."""
    ask(process.port, request(process.port, "GET", "/line%0abreak%1b?query-secret=1"))
    lines = [line for line in process.log.splitlines() if "line%0abreak" in line]
    assert len(lines) == 1
    assert "query-secret" not in process.log


HEADERS = {
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "server": "kameo-async",
}


@pytest.mark.parametrize(
    "target",
    ["/", "/docs", "/static/app.js", "/api/health", "/api/nothing", "/metrics", "/api/jobs/ws", "/nothing"],
)
def test_every_answer_has_its_headers(process: Process, target: str) -> None:
    """Row 22: on the page, files, errors and the API."""
    answer = ask(process.port, request(process.port, "GET", target))
    assert {name: answer.headers.get(name) for name in HEADERS} == HEADERS
    assert re.fullmatch(r"[0-9a-f]{32}", answer.headers["x-request-id"])
    if answer.headers["content-type"].startswith("text/html"):
        assert answer.headers["content-type"] == "text/html; charset=utf-8"


def test_a_websocket_has_its_headers_too(process: Process) -> None:
    """Row 22: also on the answer that opens a websocket."""
    answer = ask(process.port, request(process.port, "GET", "/api/jobs/ws", *UPGRADE))
    assert {name: answer.headers.get(name) for name in HEADERS} == HEADERS
