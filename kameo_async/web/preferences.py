"""What a client wants of an answer, beside its form: how long to wait, and what it has already."""

import re
from typing import Final

from aiohttp import hdrs, web

MAX_WAIT_SECONDS: Final = 60
# RFC 7240 section 2: elements end at a comma outside quotes; a quote that never ends takes the rest.
_ELEMENT: Final = re.compile(r'(?:[^",]|"(?:[^"\\]|\\.)*"?)+')
_PREFERENCE: Final = re.compile(r"\s*([\w!#$%&'*+.^`|~-]+)\s*(?:=\s*([^;]*))?(?:;.*)?", re.ASCII)
_SECONDS: Final = re.compile(r'([0-9]+)|"([0-9]+)"')
_ENTITY_TAG: Final = re.compile(r'(?:W/)?("[^"]*")')


def wait_seconds(request: web.Request) -> int | None:
    """`Prefer: wait=N` (RFC 7240 section 4.3), capped; the first counts, None where it is none."""
    for line in request.headers.getall("Prefer", ()):
        for element in _ELEMENT.findall(line):
            preference = _PREFERENCE.fullmatch(element)
            if preference and preference[1].lower() == "wait":
                return _seconds((preference[2] or "").strip())
    return None


def _seconds(value: str) -> int | None:
    match = _SECONDS.fullmatch(value)
    return int(min(float(match[1] or match[2]), MAX_WAIT_SECONDS)) if match else None


def known_tags(request: web.Request) -> frozenset[str]:
    """The entity tags of If-None-Match, quoted, without `W/` (RFC 9110 section 13.1.2); `*` alone is any."""
    lines = ",".join(request.headers.getall(hdrs.IF_NONE_MATCH, ()))
    return frozenset({"*"}) if lines.strip() == "*" else frozenset(_ENTITY_TAG.findall(lines))
