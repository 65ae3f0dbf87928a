"""Addresses as settings hold them: origins, names of hosts, URLs."""

import re
from ipaddress import ip_address
from typing import Annotated
from urllib.parse import SplitResult, urlsplit

from pydantic import AfterValidator


def is_database_url(value: str) -> bool:
    """Whether `value` looks like `postgresql://user:password@host:5432/name`."""
    try:
        url = urlsplit(value)
        _ = url.port  # raises where it is no number
    except ValueError:
        return False
    return url.scheme in ("postgresql", "postgres") and not re.search(r"\s", value)


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach `host`."""
    if host.lower() == "localhost":
        return True
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def _origin(value: str) -> str:
    url = urlsplit(value)
    if url.scheme not in ("http", "https") or not url.hostname or value != f"{url.scheme}://{url.netloc}":
        raise ValueError(
            f"{value!r} is not an origin such as https://loans.example (no path, no slash, no *)"
        )
    if "@" in url.netloc or "*" in url.netloc or not _has_port(url):
        raise ValueError(f"{value!r} is not an origin such as https://loans.example")
    return value.lower()


def _has_port(url: SplitResult) -> bool:
    """One that there can be, or none."""
    try:
        return url.port is None or url.port > 0
    except ValueError:
        return False


def _host(value: str) -> str:
    try:
        is_host = not ip_address(value.strip("[]")).is_unspecified
    except ValueError:
        is_host = re.fullmatch(r"[A-Za-z0-9.-]+", value) is not None
    if not is_host:
        raise ValueError(f"{value!r} is not a host name (no scheme, no port, no *)")
    return value.strip("[]").lower()


def _http_url(value: str) -> str:
    url = urlsplit(value)
    is_plain = not (url.query or url.fragment or "@" in url.netloc) and _has_port(url)
    if url.scheme not in ("http", "https") or not url.hostname or not is_plain:
        raise ValueError("must be an http or https address without user, query or fragment")
    return value.rstrip("/")


def _header_text(value: str) -> str:
    if not re.fullmatch(r"[\x20-\x7e]+", value):
        raise ValueError("must be visible ASCII")
    return value


Origin = Annotated[str, AfterValidator(_origin)]
Host = Annotated[str, AfterValidator(_host)]
HttpUrl = Annotated[str, AfterValidator(_http_url)]
HeaderText = Annotated[str, AfterValidator(_header_text)]
