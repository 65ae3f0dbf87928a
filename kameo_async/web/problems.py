"""Exceptions to answers, in one table: RFC 9457 `application/problem+json` for every status from 400 up."""

from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

import orjson
import structlog
from aiohttp import ClientConnectionResetError, web
from pydantic import BaseModel, Field

from kameo_async.jobs import errors
from kameo_async.web.access import ForeignOriginError, MisdirectedError, UnauthorizedError

log = structlog.get_logger()

PROBLEM_JSON = "application/problem+json"
RETRY_AFTER_SECONDS = "1"


class ParamProblemDocument(BaseModel):
    """What is wrong with one param."""

    name: str
    message: str


class Problem(BaseModel):
    """A problem document (RFC 9457 section 3)."""

    type: str = Field(description="`about:blank`: the status says it all")
    title: str
    status: int
    detail: str
    instance: str = Field(description="the path of the request")
    request_id: str
    errors: list[ParamProblemDocument] | None = Field(None, description="for params, else absent")


@dataclass(frozen=True, slots=True)
class _Answer:
    status: int
    detail: str
    headers: Mapping[str, str] | None = None


class HttpError(Exception):
    """An answer that a handler decides on itself."""

    def __init__(self, status: int, detail: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.headers = headers


_RETRY = {"Retry-After": RETRY_AFTER_SECONDS}
_TABLE: dict[type[Exception], _Answer] = {
    MisdirectedError: _Answer(421, "This service does not answer to that Host"),
    ForeignOriginError: _Answer(403, "Pages of another origin may not do this"),
    UnauthorizedError: _Answer(401, "A token is needed", {"WWW-Authenticate": "Bearer"}),
    errors.UnknownKindError: _Answer(404, "Kind not found"),
    errors.JobNotFoundError: _Answer(404, "Job not found"),
    errors.InvalidParamsError: _Answer(400, ""),
    errors.JobFinishedError: _Answer(409, ""),
    errors.KeyReusedError: _Answer(422, ""),
    errors.UnavailableError: _Answer(503, "", _RETRY),
    # Nobody reads this one, but the metrics and the log tell it.
    ClientConnectionResetError: _Answer(408, "The client left before it was answered"),
}
_INTERNAL = _Answer(500, "Something went wrong; the log has the cause under this request_id")
# The framework's own texts repeat the status; these say what to do.
_DETAILS = {
    400: "The request cannot be understood",
    404: "There is nothing at this path",
    405: "This method is not offered here",
}


def problem_of(
    request: web.BaseRequest, error: Exception, request_id: str, instance: str | None = None
) -> web.Response:
    """The answer to a request that ended on `error`; what is not in the table is logged and is ours."""
    answer = _answer_of(error)
    if answer is _INTERNAL:
        log.error("http.crashed", exc_info=error)
    fields: dict[str, Any] = {
        "type": "about:blank",
        "title": HTTPStatus(answer.status).phrase,
        "status": answer.status,
        "detail": answer.detail or str(error),
        "instance": request.rel_url.raw_path if instance is None else instance,
        "request_id": request_id,
    }
    if isinstance(error, errors.InvalidParamsError):
        fields["errors"] = [{"name": each.name, "message": each.message} for each in error.problems]
    body = orjson.dumps(fields, default=str)
    return web.Response(
        status=answer.status, body=body, content_type=PROBLEM_JSON, headers=dict(answer.headers or {})
    )


def _answer_of(error: Exception) -> _Answer:
    if isinstance(error, HttpError):
        return _Answer(error.status, error.detail, error.headers)
    if isinstance(error, web.HTTPException):
        kept = {name: error.headers[name] for name in ("Allow",) if name in error.headers}
        return _Answer(error.status, _DETAILS.get(error.status, error.text or error.reason), kept)
    for cls in type(error).__mro__:
        if cls in _TABLE:
            return _TABLE[cls]
    return _INTERNAL
