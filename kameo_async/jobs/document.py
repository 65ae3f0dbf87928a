"""The job document: the one shape of a job on every way out (poll, long poll, list item, websocket frame).

It is encoded once per revision, when first asked for; the bytes then serve everybody. Only so many bytes
are remembered, so what is kept of a job that nobody asks for is its fields alone.
"""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import orjson
from pydantic import BaseModel, ConfigDict, Field
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import core_schema, to_jsonable_python

from kameo_async.jobs.models import Job, JobStatus

_REMEMBERED_BYTES = 8 * 1024 * 1024
_JOB_BYTES = 1024  # what a job keeps alive beside its result, roughly

_RESULT_OPTIONS = orjson.OPT_UTC_Z | orjson.OPT_NAIVE_UTC | orjson.OPT_NON_STR_KEYS

ACCEPTED_MESSAGE = "Job started successfully"


class ProgressDocument(BaseModel):
    """How far a job has come."""

    model_config = ConfigDict(title="Progress")

    done: int
    total: int | None = Field(description="null while unknown")
    unit: str
    message: str = Field(description="a sentence for people")


class JobLinks(BaseModel):
    """Where to go from here."""

    self: str
    events: str
    result: str


class JobAccepted(BaseModel):
    """What stands in `data` of the answer to a submit."""

    job_id: str
    message: str


class JobDocument(BaseModel):
    """One job at one revision."""

    model_config = ConfigDict(title="Job", json_schema_mode_override="serialization")

    job_id: str
    kind: str
    status: JobStatus
    progress: ProgressDocument | None
    data: Any = Field(description="the result once `status` is `success`, else null")
    error: str | None = Field(description="one sentence for people; never a secret")
    error_code: str | None = Field(description="one word for programs; an unknown one means `internal`")
    retryable: bool | None = Field(description="whether the same request may succeed later")
    revision: int = Field(ge=1, description="grows by exactly 1 with every visible change")
    attempt: int = Field(ge=1)
    created_at: datetime
    started_at: datetime | None
    updated_at: datetime
    finished_at: datetime | None
    expires_at: datetime | None
    links: JobLinks


class JsonNumbers(GenerateJsonSchema):
    """The JSON Schema of what `encode` writes: decimals are numbers, with their exact digits."""

    def decimal_schema(self, schema: core_schema.DecimalSchema) -> JsonSchemaValue:
        number = {"type": "number", "minimum": schema.get("ge"), "exclusiveMinimum": schema.get("gt")}
        number |= {"maximum": schema.get("le"), "exclusiveMaximum": schema.get("lt")}
        return {
            name: float(value) if isinstance(value, Decimal) else value
            for name, value in number.items()
            if value is not None
        }

    def encode_default(self, dft: Any) -> Any:
        return float(dft) if isinstance(dft, Decimal) else super().encode_default(dft)


def encode(result: BaseModel) -> bytes:
    """A kind's result as JSON; decimals with exactly the digits they have, times in RFC 3339.

    A large one may know a faster way: where it has a `to_json`, that writes the bytes.
    """
    own: Callable[[BaseModel], bytes] | None = getattr(type(result), "to_json", None)
    if own is not None:
        return own(result)
    encoded = orjson.dumps(
        result.model_dump(mode="python", by_alias=True), default=_plain, option=_RESULT_OPTIONS
    )
    return _trimmed(encoded)


def _trimmed(encoded: bytes) -> bytes:
    """Without the rest of orjson's buffer, 8 kB for a result of 700 bytes: a kept job is to cost its size."""
    return bytes(memoryview(encoded))


def _plain(value: object) -> object:
    if isinstance(value, Decimal):
        return orjson.Fragment(str(value)) if value.is_finite() else None
    return to_jsonable_python(value)


class _Remembered:
    """A function from a job's revision to bytes that remembers what it made last, up to a number of bytes."""

    def __init__(self, make: Callable[[Job], bytes]) -> None:
        self._make = make
        self._made: dict[Job, bytes] = {}
        self._size = 0

    def __call__(self, job: Job) -> bytes:
        made = self._made.get(job)
        if made is None:
            made = self._made[job] = self._make(job)
            self._size += _cost(job, made)
            self._forget()
        return made

    def _forget(self) -> None:
        while self._size > _REMEMBERED_BYTES and len(self._made) > 1:
            oldest = next(iter(self._made))
            self._size -= _cost(oldest, self._made.pop(oldest))


def _cost(job: Job, made: bytes) -> int:
    return len(made) + len(job.result or b"") + _JOB_BYTES


def document(job: Job) -> bytes:
    """The job document with its result."""
    return summary(job) if job.result is None else _whole(job)


@_Remembered
def _whole(job: Job) -> bytes:
    return _around(job, orjson.Fragment(job.result or b"null"))


@_Remembered
def summary(job: Job) -> bytes:
    """The job document with `data` null: an item of a list."""
    return _around(job, None)


def accepted(job: Job) -> bytes:
    """The job document with the `JobAccepted` of a submit in `data`."""
    return _around(job, {"job_id": job.job_id, "message": ACCEPTED_MESSAGE})


def _around(job: Job, data: object) -> bytes:
    """The job document around its `data`."""
    failure, created_at = job.failure, timestamp(job.created_at)
    encoded = orjson.dumps(
        {
            "job_id": job.job_id,
            "kind": job.kind,
            "status": job.status,
            "progress": job.progress,
            "data": data,
            "error": failure.message if failure else None,
            "error_code": failure.code if failure else None,
            "retryable": failure.retryable if failure else None,
            "revision": job.revision,
            "attempt": job.attempt,
            "created_at": created_at,
            "started_at": timestamp(job.started_at),
            "updated_at": created_at if job.updated_at is job.created_at else timestamp(job.updated_at),
            "finished_at": timestamp(job.finished_at),
            "expires_at": timestamp(job.expires_at),
            "links": _links(job.job_id),
        }
    )
    return _trimmed(encoded)


def size_of(job: Job) -> int:
    """The bytes of `document(job)`, without making it: 3 us instead of 8, once a job."""
    return _FIXED_BYTES + _varying_bytes(job)


def _varying_bytes(job: Job) -> int:
    failure = job.failure
    plain = (*[job.job_id] * 4, job.kind, job.status, str(job.revision), str(job.attempt))
    times = (job.created_at, job.started_at, job.updated_at, job.finished_at, job.expires_at)
    values = (job.progress, *((failure.message, failure.code, failure.retryable) if failure else _NO_FAILURE))
    bytes_ = sum(map(len, plain)) + len(job.result or b"null")
    bytes_ += sum(_NULL_BYTES if time is None else _TIME_BYTES for time in times)
    return bytes_ + sum(_NULL_BYTES if value is None else len(orjson.dumps(value)) for value in values)


def timestamp(time: datetime | None) -> str | None:
    """UTC in RFC 3339 with milliseconds, as `2026-01-31T12:00:00.004Z`."""
    return None if time is None else f"{time.replace(tzinfo=None).isoformat(timespec='milliseconds')}Z"


def _links(job_id: str) -> dict[str, str]:
    path = f"/api/jobs/{job_id}"
    return {"self": path, "events": f"{path}/ws", "result": f"{path}/result"}


def decode(result: bytes) -> dict[str, Any]:
    """What `encode` wrote, its numbers with all their digits."""
    decoded: dict[str, Any] = json.loads(result, parse_float=Decimal)
    return decoded


_NO_FAILURE = (None, None, None)
_NULL_BYTES = len("null")
_TIME_BYTES = len('"2026-01-31T12:00:00.000Z"')
_EARLIEST = datetime(1, 1, 1, tzinfo=UTC)
_SAMPLE = Job("", "", b"", _EARLIEST, _EARLIEST)
_FIXED_BYTES = len(_around(_SAMPLE, None)) - _varying_bytes(_SAMPLE)
