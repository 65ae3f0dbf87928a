"""Params of a job: from JSON values to the kind's model, with errors as sentences for people."""

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import orjson
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from kameo_async.jobs.errors import InvalidParamsError, ParamProblem

_WANTED = {
    "int": "an integer",
    "float": "a number",
    "decimal": "a number",
    "bool": "true or false",
    "string": "a string",
    "list": "an array",
    "tuple": "an array",
    "set": "an array",
    "frozenset": "an array",
    "dict": "an object",
    "model": "an object",
    "datetime": "a time such as 2026-01-31T12:00:00Z",
    "date": "a date such as 2026-01-31",
}


def validate(model: type[BaseModel], values: Mapping[str, Any]) -> BaseModel:
    """Checks JSON values, strictly (neither `true` nor `"3"` is an integer). Raises InvalidParamsError."""
    known = _names(model)
    unknown = [ParamProblem(name, f"Unknown parameter: {name}") for name in values if name not in known]
    if unknown:
        raise InvalidParamsError(unknown)
    try:
        return model.model_validate_json(_encoded(values), strict=True)
    except ValidationError as error:
        raise InvalidParamsError(_problems(model, error)) from None


def canonical(params: BaseModel) -> bytes:
    """Params as JSON, after defaults: equal ones are equal bytes."""
    return params.model_dump_json(by_alias=True).encode()


def restore(model: type[BaseModel], params: bytes) -> BaseModel:
    """What `canonical` wrote."""
    return model.model_validate_json(params)


def _encoded(values: Mapping[str, Any]) -> bytes:
    try:
        return orjson.dumps(dict(values))
    except TypeError:  # nested deeper than 254 levels, or no JSON value at all
        problem = ParamProblem("", "Params are no JSON values, or nested too deeply")
        raise InvalidParamsError([problem]) from None


@lru_cache(256)
def _names(model: type[BaseModel]) -> frozenset[str]:
    return frozenset(field.alias or name for name, field in model.model_fields.items())


def _problems(model: type[BaseModel], error: ValidationError) -> list[ParamProblem]:
    """Each once, and what is wrong with an item without the list being too short for lack of it."""
    details = error.errors(include_url=False, include_input=False)
    lists = {detail["loc"][:-1] for detail in details}
    told = [detail for detail in details if not (detail["type"] == "too_short" and detail["loc"] in lists)]
    return list(dict.fromkeys(_problem(model, detail) for detail in told))


def _problem(model: type[BaseModel], detail: ErrorDetails) -> ParamProblem:
    loc = detail["loc"]
    name = str(loc[0]) if loc else ""
    title = name.replace("_", " ").capitalize() or "Params"
    return ParamProblem(name, f"{title} {_complaint(model, detail, name)}")


def _complaint(model: type[BaseModel], detail: ErrorDetails, name: str) -> str:
    kind = detail["type"]
    if kind == "missing":
        return "is required"
    if kind in ("greater_than_equal", "less_than_equal"):
        return _range(model, detail, name)
    wanted = _WANTED.get(kind.partition("_")[0])
    if wanted and kind.endswith(("_type", "_parsing", "_from_float", "_parsing_size")):
        return f"must be {wanted}"
    message = detail["msg"].replace(" after validation", "")
    return re.sub(r"^(Value error, |\w+ should )", _opening, message)


def _opening(match: re.Match[str]) -> str:
    """Pydantic's "String should have …" as the end of our sentence: "must have …"."""
    return "must " if match[0].endswith("should ") else ""


def _range(model: type[BaseModel], detail: ErrorDetails, name: str) -> str:
    """Both ends where the field has both: "must be between 1 and 100", else "must be >= 1"."""
    bounds: dict[str, Any] = dict(detail.get("ctx", {}))
    field = model.model_fields.get(name)
    for constraint in field.metadata if field else ():
        bounds |= {end: getattr(constraint, end) for end in ("ge", "le") if hasattr(constraint, end)}
    if len(detail["loc"]) == 1 and "ge" in bounds and "le" in bounds:
        return f"must be between {bounds['ge']} and {bounds['le']}"
    return f"must be >= {bounds['ge']}" if "ge" in bounds else f"must be <= {bounds['le']}"
