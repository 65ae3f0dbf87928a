"""JSON Schemas for the documents: those of the models that the handlers use, under one roof."""

import re
from collections.abc import Iterable, Mapping
from datetime import datetime
from functools import lru_cache
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field
from pydantic.errors import PydanticUserError
from pydantic.json_schema import models_json_schema

from kameo_async import export
from kameo_async.jobs.document import JobAccepted, JobDocument, JsonNumbers
from kameo_async.jobs.errors import InvalidKindError
from kameo_async.jobs.kind import Kind, table_of
from kameo_async.web.problems import Problem

Schema = dict[str, Any]
ROOF = "#/components/schemas/"
_CLOSED: Schema = {"additionalProperties": False}


class Health(BaseModel):
    """How the service is."""

    status: Literal["healthy"]
    timestamp: datetime
    version: str
    engine: str
    mode: Literal["live", "sandbox", "test"]
    durable: bool = Field(description="whether jobs survive a restart")
    active_jobs: int = Field(ge=0, description="jobs that wait or run")
    websocket_connections: int = Field(ge=0)
    workers: dict[str, int] | None = Field(None, description="with a database: how many are alive, by mode")
    warnings: list[str] | None = Field(None, description="with a database: jobs that no worker takes")


class Ready(BaseModel):
    """It takes jobs."""

    status: Literal["ready"]


class KindDocument(BaseModel):
    """A kind of job."""

    model_config = ConfigDict(title="Kind")

    kind: str
    title: str
    description: str
    table: str | None = Field(description="the field of the result that holds rows; null where none does")
    params: dict[str, Any] = Field(description="a JSON Schema")
    result: dict[str, Any] = Field(description="a JSON Schema")


class Kinds(BaseModel):
    """The kinds that may be started."""

    kinds: list[KindDocument]


_MODELS = (JobDocument, JobAccepted, Problem, Health, Ready, Kinds)


@lru_cache(256)
def params_schema(params: type[BaseModel]) -> Schema:
    """The JSON Schema of a kind's params, as clients send them; a name that is not there is refused."""
    return _unfolded(params.model_json_schema(schema_generator=JsonNumbers, mode="validation")) | _CLOSED


@lru_cache(256)
def result_schema(result: type[BaseModel]) -> Schema:
    """The JSON Schema of a kind's result, as clients get it."""
    return _unfolded(result.model_json_schema(schema_generator=JsonNumbers, mode="serialization"))


def _unfolded(schema: Schema) -> Schema:
    """A model that holds itself is but a reference at the top: what it refers to takes its place."""
    name = re.split(r"[/.]", schema.get("$ref", ""))[-1]
    own = {key: value for key, value in schema.items() if key != "$ref"}
    return {**schema["$defs"][name], **own} if name else own


def reference(name: str) -> Schema:
    """A reference to a schema under the roof."""
    return {"$ref": f"{ROOF}{name}"}


def check(kind: Kind) -> None:
    """Raises InvalidKindError for a kind whose models have no JSON Schema, or whose table has no rows."""
    try:
        _, result = params_schema(kind.Params), result_schema(kind.Result)
    except PydanticUserError as error:
        reason = error.message.partition("\n")[0]
        raise InvalidKindError(f"kind {kind.kind!r}: its models have no JSON Schema ({reason})") from error
    table = table_of(kind)
    if table is not None and not export.holds_rows(result, table):
        raise InvalidKindError(f"kind {kind.kind!r}: its result's {table!r} is no array of rows")


def components(kinds: Iterable[Kind]) -> dict[str, Schema]:
    """All schemas: the job, the problem, and each kind's params, result and job under the kind's name.

    Each is titled by its name: generators of clients name their classes so, and make one of each title.
    """
    _, shared = models_json_schema(
        [(model, "serialization") for model in _MODELS],
        ref_template=f"{ROOF}{{model}}",
        schema_generator=JsonNumbers,
    )
    schemas: dict[str, Schema] = dict(shared["$defs"])
    schemas |= {
        "SubmittedJob": _with_data(schemas["JobDocument"], reference("JobAccepted")),
        "ListedJob": _with_data(schemas["JobDocument"], {"type": "null"}),
    }
    for kind in kinds:
        schemas |= _of_kind(kind, schemas["JobDocument"])
    return {name: {**schema, "title": name} for name, schema in schemas.items()}


def _of_kind(kind: Kind, job: Schema) -> dict[str, Schema]:
    params, result = f"{kind.kind}.Params", f"{kind.kind}.Result"
    schemas = _named(params, kind.Params, "validation") | _named(result, kind.Result, "serialization")
    schemas[params] |= _CLOSED
    return schemas | {f"{kind.kind}.Job": _with_data(job, {"anyOf": [reference(result), {"type": "null"}]})}


def _with_data(job: Schema, data: Schema) -> Schema:
    return {**job, "properties": {**job["properties"], "data": data}}


def _named(name: str, model: type[BaseModel], mode: Any) -> dict[str, Schema]:
    """A model's schema as `name`, and those that it refers to as `name.Other`."""
    template = f"{ROOF}{name}.{{model}}"
    schema = _unfolded(
        model.model_json_schema(ref_template=template, schema_generator=JsonNumbers, mode=mode)
    )
    inner: Mapping[str, Schema] = schema.pop("$defs", {})
    return {name: schema, **{f"{name}.{key}": value for key, value in inner.items()}}
