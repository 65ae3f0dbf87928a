"""Jobs as rows of the table `job`, and back."""

from dataclasses import asdict, dataclass
from typing import Any

import orjson

from kameo_async.jobs.document import document
from kameo_async.jobs.models import Failure, Job, JobStatus, Progress

# In the order of the fields that `read` takes; `result` apart, as lists go without it.
HEAD = (
    "job_id, kind, params, created_at, updated_at, status, progress, failure, revision, attempt, started_at,"
    " finished_at, expires_at, cancel_requested, request_id"
)
OWNER = "worker_id, losses"

INSERT = (
    "INSERT INTO job"
    " (job_id, kind, mode, params, key, request_id, status, revision, attempt, created_at, updated_at)"
    " SELECT %(job_id)s, %(kind)s, %(mode)s, %(params)s, %(key)s, %(request_id)s, %(status)s, %(revision)s,"
    " %(attempt)s, %(created_at)s, %(updated_at)s"
)
UPDATE = (
    "UPDATE job SET status = %(status)s, progress = %(progress)s, failure = %(failure)s, result = %(result)s,"
    " revision = %(revision)s, attempt = %(attempt)s, cancel_requested = %(cancel_requested)s,"
    " started_at = %(started_at)s, updated_at = %(updated_at)s, finished_at = %(finished_at)s,"
    " expires_at = %(expires_at)s, size = %(size)s, worker_id = %(worker_id)s, losses = %(losses)s,"
    " lease_until = CASE WHEN %(worker_id)s::text IS NULL THEN NULL ELSE"
    " coalesce(%(lease_until)s, lease_until) END WHERE job_id = %(job_id)s"
)


@dataclass(frozen=True, slots=True)
class Row:
    """A job, who runs it, and how often a worker was lost over it."""

    job: Job
    worker_id: str | None
    losses: int


def read_row(values: tuple[Any, ...]) -> Row:
    """What `HEAD, result, OWNER` selected."""
    *head, result, worker_id, losses = values
    return Row(read(head, result), worker_id, losses)


def read(head: list[Any], result: bytes | None) -> Job:
    """What `HEAD` selected, with the result."""
    job_id, kind, params, created_at, updated_at, status, progress, failure, revision, attempt, *rest = head
    started_at, finished_at, expires_at, cancel_requested, request_id = rest
    return Job(
        job_id,
        kind,
        params,
        created_at,
        updated_at,
        JobStatus(status),
        Progress(**progress) if progress else None,
        result,
        Failure(**failure) if failure else None,
        revision,
        attempt,
        started_at,
        finished_at,
        expires_at,
        cancel_requested,
        request_id,
    )


def is_light(job: Job) -> bool:
    """Whether its result was left in the database."""
    return job.status is JobStatus.SUCCESS and job.result is None


def written(job: Job, **more: Any) -> dict[str, Any]:
    """The parameters of INSERT and UPDATE."""
    return {
        "job_id": job.job_id,
        "kind": job.kind,
        "params": job.params,
        "request_id": job.request_id,
        "status": str(job.status),
        "progress": _json(job.progress),
        "failure": _json(job.failure),
        "result": job.result,
        "revision": job.revision,
        "attempt": job.attempt,
        "cancel_requested": job.cancel_requested,
        "created_at": job.created_at,
        "started_at": job.started_at,
        "updated_at": job.updated_at,
        "finished_at": job.finished_at,
        "expires_at": job.expires_at,
        "size": len(document(job)) if job.is_terminal else 0,
        **more,
    }


def _json(value: Progress | Failure | None) -> str | None:
    return None if value is None else orjson.dumps(asdict(value)).decode()
