"""JSON Schemas for the documents: those of the models that the handlers use, under one roof."""

from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from kameo_async.jobs.document import JobAccepted, JobDocument, JsonNumbers
from kameo_async.jobs.kind import Kind
from kameo_async.web.problems import Problem

Schema = dict[str, Any]
ROOF = "#/components/schemas/"


@lru_cache(256)
def params_schema(params: type[BaseModel]) -> Schema:
    """The JSON Schema of a kind's params, as clients send them."""
    return params.model_json_schema(schema_generator=JsonNumbers, mode="validation")


@lru_cache(256)
def result_schema(result: type[BaseModel]) -> Schema:
    """The JSON Schema of a kind's result, as clients get it."""
    return result.model_json_schema(schema_generator=JsonNumbers, mode="serialization")


def reference(name: str) -> Schema:
    """A reference to a schema under the roof."""
    return {"$ref": f"{ROOF}{name}"}


def components(kinds: Iterable[Kind]) -> dict[str, Schema]:
    """All schemas: the job, the problem, and each kind's params and result under the kind's name."""
    _, shared = models_json_schema(
        [(model, "serialization") for model in (JobDocument, JobAccepted, Problem)],
        ref_template=f"{ROOF}{{model}}",
        schema_generator=JsonNumbers,
    )
    schemas: dict[str, Schema] = dict(shared["$defs"])
    schemas |= {
        "SubmittedJob": _with_data(schemas["JobDocument"], reference("JobAccepted")),
        "ListedJob": _with_data(schemas["JobDocument"], {"type": "null"}),
    }
    for kind in kinds:
        schemas |= _named(f"{kind.kind}.Params", kind.Params, "validation")
        schemas |= _named(f"{kind.kind}.Result", kind.Result, "serialization")
    return schemas


def _with_data(job: Schema, data: Schema) -> Schema:
    return {**job, "properties": {**job["properties"], "data": data}}


def _named(name: str, model: type[BaseModel], mode: Any) -> dict[str, Schema]:
    """A model's schema as `name`, and those that it refers to as `name.Other`."""
    template = f"{ROOF}{name}.{{model}}"
    schema = model.model_json_schema(ref_template=template, schema_generator=JsonNumbers, mode=mode)
    inner: Mapping[str, Schema] = schema.pop("$defs", {})
    return {name: schema, **{f"{name}.{key}": value for key, value in inner.items()}}
