"""Names of the service that depend on where a connection came in; loopback is not among them."""

from unittest.mock import Mock

import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request

from kameo_async.web.access import Access, MisdirectedError
from kameo_async.web.config import AccessConfig


def arrived(at: str, host: str) -> web.Request:
    """A request over a connection to the local address `at`."""
    transport = Mock()
    transport.get_extra_info = {"sockname": (at, 8000)}.get
    return make_mocked_request("GET", "/api/jobs", {"Host": host}, transport=transport)


@pytest.mark.parametrize(
    ("at", "host"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("192.0.2.1", "192.0.2.1:9999"),
        ("::ffff:192.0.2.1", "192.0.2.1:8000"),
        ("2001:db8::1", "[2001:DB8:0::1]:8000"),
        ("fe80::1%eth0", "[fe80::1]"),
    ],
)
def test_the_address_that_a_connection_came_in_at_is_ours(at: str, host: str) -> None:
    """In any spelling, at any port, since tunnels move it."""
    Access(AccessConfig()).check(arrived(at, host))


@pytest.mark.parametrize(
    ("at", "host"),
    [
        ("192.0.2.1", "192.0.2.2"),
        ("192.0.2.1", "192.0.2.1.evil.example"),
        ("0.0.0.0", "0.0.0.0:8000"),
        ("::", "[::]:8000"),
    ],
)
def test_another_address_is_not(at: str, host: str) -> None:
    """Nor is a wildcard; and what came in at one address says nothing of another connection."""
    access = Access(AccessConfig())
    access.check(arrived("192.0.2.2", "192.0.2.2"))
    with pytest.raises(MisdirectedError):
        access.check(arrived(at, host))
