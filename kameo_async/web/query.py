"""From a request to values: params from query and body, the key of idempotency, listing."""

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

BODY_TIMEOUT_SECONDS: Final = 10
_LIMIT_DEFAULT, _LIMIT_MAX = 20, 100
_KEY: Final = re.compile(r"[\x21-\x7e]{1,255}")
_INTEGER: Final = re.compile(r"[+-]?[0-9]{1,18}")
# As JSON writes them, and none that is infinite.
_NUMBER: Final = re.compile(r"-?(?:0|[1-9][0-9]{0,99})(?:\.[0-9]{1,99})?(?:[eE][+-]?[0-9]{1,2})?")
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
    except web.RequestPayloadError:
        raise HttpError(400, "The body does not have the Content-Encoding that it claims") from None
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
        wanted = _alternatives(schema, schema.get("properties", {}).get(name, {}))
        arrays = [each for each in wanted if each.get("type") == "array"]
        if arrays:
            types = _types(schema, arrays[0].get("items", {}))
            values[name] = [_scalar(word.strip(), types) for text in texts for word in text.split(",")]
        elif len(texts) > 1:
            raise InvalidParamsError([ParamProblem(name, f"{_title(name)} was given more than once")])
        else:
            values[name] = _scalar(texts[0], _types(schema, {"anyOf": wanted}))
    return values


def _alternatives(schema: Mapping[str, Any], field: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The schemas that a value may fit, references followed."""
    if "$ref" in field:
        field = schema["$defs"][field["$ref"].rpartition("/")[2]]
    return [each for option in field.get("anyOf", []) for each in _alternatives(schema, option)] or [field]


def _types(schema: Mapping[str, Any], field: Mapping[str, Any]) -> set[str]:
    return {each["type"] for each in _alternatives(schema, field) if "type" in each}


def _scalar(text: str, types: set[str]) -> Any:
    if "integer" in types and _INTEGER.fullmatch(text):
        return int(text)
    if "boolean" in types and text in ("true", "false"):
        return text == "true"
    if "number" in types and _NUMBER.fullmatch(text):
        return float(text)
    return text


def _title(name: str) -> str:
    return name.replace("_", " ").capitalize()


def idempotency_key(request: web.Request) -> str | None:
    """1-255 visible ASCII characters, or none."""
    keys = request.headers.getall("Idempotency-Key", [])
    if not keys:
        return None
    if len(keys) > 1 or not _KEY.fullmatch(keys[0]):
        problem = ParamProblem("Idempotency-Key", "Idempotency-Key must be 1 to 255 visible ASCII characters")
        raise InvalidParamsError([problem])
    return keys[0]


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
