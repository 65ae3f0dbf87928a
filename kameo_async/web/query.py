"""From a request to values: params from query and body, preferences, entity tags, listing."""

import asyncio
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import orjson
from aiohttp import web
from multidict import MultiMapping

from kameo_async.jobs.errors import InvalidParamsError, ParamProblem
from kameo_async.jobs.models import JobStatus
from kameo_async.web.problems import HttpError

MAX_WAIT_SECONDS: Final = 60
BODY_TIMEOUT_SECONDS: Final = 10
_LIMIT_DEFAULT, _LIMIT_MAX = 20, 100
_ETAG: Final = re.compile(r'(?:W/)?"([^"]*)"')
_WAIT: Final = re.compile(r'\s*wait\s*=\s*"?(\d{1,9})"?\s*(?:;.*)?', re.IGNORECASE)
_KEY: Final = re.compile(r"[\x21-\x7e]{1,255}")
_INTEGER: Final = re.compile(r"[+-]?[0-9]{1,18}")
_CURSOR: Final = re.compile(r"[0-9]{1,18}")


async def params(request: web.Request, schema: Mapping[str, Any]) -> dict[str, Any]:
    """Params as JSON values, from the query and the body; raises InvalidParamsError, HttpError."""
    body = await _body(request)
    query = _from_query(request.query, schema)
    twice = [
        ParamProblem(name, f"{_title(name)} was given in the query and in the body")
        for name in query
        if name in body
    ]
    if twice:
        raise InvalidParamsError(twice)
    return query | body


async def _body(request: web.Request) -> dict[str, Any]:
    if not request.body_exists:
        return {}
    try:
        async with asyncio.timeout(BODY_TIMEOUT_SECONDS):
            raw = await request.read()
    except TimeoutError:
        raise HttpError(408, "The body did not come in time", {"Connection": "close"}) from None
    if not raw:
        return {}
    if request.content_type != "application/json":
        raise HttpError(415, "The body must be application/json")
    try:
        body = orjson.loads(raw)
    except orjson.JSONDecodeError:
        raise HttpError(400, "The body is not valid JSON") from None
    if not isinstance(body, dict):
        raise HttpError(400, "The body must be a JSON object")
    return body


def _from_query(query: MultiMapping[str], schema: Mapping[str, Any]) -> dict[str, Any]:
    """Texts as the JSON values that the schema asks for; what does not fit stays text."""
    values: dict[str, Any] = {}
    for name in dict.fromkeys(query):
        texts = query.getall(name)
        types = _types(schema, schema.get("properties", {}).get(name, {}))
        if "array" in types:
            values[name] = [word.strip() for text in texts for word in text.split(",")]
        elif len(texts) > 1:
            raise InvalidParamsError([ParamProblem(name, f"{_title(name)} was given more than once")])
        else:
            values[name] = _scalar(texts[0], types)
    return values


def _types(schema: Mapping[str, Any], field: Mapping[str, Any]) -> set[str]:
    if "$ref" in field:
        field = schema["$defs"][field["$ref"].rpartition("/")[2]]
    alternatives = field.get("anyOf", [])
    types = {kind for each in alternatives for kind in _types(schema, each)}
    return types | {field["type"]} if "type" in field else types


def _scalar(text: str, types: set[str]) -> Any:
    if "integer" in types and _INTEGER.fullmatch(text):
        return int(text)
    if "boolean" in types and text in ("true", "false"):
        return text == "true"
    if "number" in types:
        try:
            return float(text)
        except ValueError:
            return text
    return text


def _title(name: str) -> str:
    return name.replace("_", " ").capitalize()


def wait_seconds(request: web.Request) -> int | None:
    """`Prefer: wait=N` (RFC 7240 section 4.3), capped; the first one counts, None where there is none."""
    for line in request.headers.getall("Prefer", ()):
        for preference in line.split(","):
            if match := _WAIT.fullmatch(preference):
                return min(int(match[1]), MAX_WAIT_SECONDS)
    return None


def known_tags(request: web.Request) -> frozenset[str]:
    """The entity tags of If-None-Match, compared weakly (RFC 9110 section 13.1.2); `*` is any."""
    lines = ",".join(request.headers.getall("If-None-Match", ()))
    return frozenset({"*"}) if lines.strip() == "*" else frozenset(_ETAG.findall(lines))


def idempotency_key(request: web.Request) -> str | None:
    """1-255 visible ASCII characters, or none."""
    key = request.headers.get("Idempotency-Key")
    if key is not None and not _KEY.fullmatch(key):
        problem = ParamProblem("Idempotency-Key", "Idempotency-Key must be 1 to 255 visible ASCII characters")
        raise InvalidParamsError([problem])
    return key


@dataclass(frozen=True, slots=True)
class Listing:
    """What a client wants to see of the list."""

    status: JobStatus | None
    kind: str | None
    limit: int
    cursor: int | None


def listing(query: MultiMapping[str]) -> Listing:
    """Raises InvalidParamsError."""
    values = single(query, {"status", "kind", "limit", "cursor"})
    return Listing(
        _status(values.get("status")),
        values.get("kind"),
        _limit(values.get("limit")),
        _cursor(values.get("cursor")),
    )


def single(query: MultiMapping[str], allowed: set[str]) -> dict[str, str]:
    """The query as one value a name; raises InvalidParamsError for unknown and repeated names."""
    problems = [ParamProblem(name, f"Unknown parameter: {name}") for name in query if name not in allowed]
    problems += [
        ParamProblem(name, f"{_title(name)} was given more than once")
        for name in sorted(allowed)
        if len(query.getall(name, ())) > 1
    ]
    if problems:
        raise InvalidParamsError(problems)
    return dict(query)


def number(name: str, text: str | None, least: int) -> int:
    """A whole number of the query, `least` where absent. Raises InvalidParamsError."""
    if text is None:
        return least
    if not _CURSOR.fullmatch(text) or int(text) < least:
        raise InvalidParamsError([ParamProblem(name, f"{_title(name)} must be >= {least}")])
    return int(text)


def _status(text: str | None) -> JobStatus | None:
    try:
        return None if text is None else JobStatus(text)
    except ValueError:
        known = ", ".join(JobStatus)
        raise InvalidParamsError([ParamProblem("status", f"Status must be one of {known}")]) from None


def _limit(text: str | None) -> int:
    if text is None:
        return _LIMIT_DEFAULT
    if not _INTEGER.fullmatch(text) or not 1 <= int(text) <= _LIMIT_MAX:
        raise InvalidParamsError([ParamProblem("limit", f"Limit must be between 1 and {_LIMIT_MAX}")])
    return int(text)


def _cursor(text: str | None) -> int | None:
    if text is not None and not _CURSOR.fullmatch(text):
        raise InvalidParamsError([ParamProblem("cursor", "Cursor is not one of ours")])
    return None if text is None else int(text)
