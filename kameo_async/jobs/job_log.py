"""What the log tells of a job, always under the job's own ids, whosever request is at work on it."""

import structlog

from kameo_async.jobs.models import Job

log = structlog.get_logger()


def log_end(job: Job) -> None:
    """Says how a job ended."""
    code = job.failure.code if job.failure else None
    log.info("job.finished", kind=job.kind, **_ids(job), status=job.status, error_code=code)


def log_of(job: Job) -> structlog.typing.FilteringBoundLogger:
    """The log of one job."""
    own: structlog.typing.FilteringBoundLogger = log.bind(kind=job.kind, **_ids(job))
    return own


def bind_log(job: Job) -> None:
    """What every line of the job's task carries, the kind's own lines too."""
    structlog.contextvars.bind_contextvars(**_ids(job))


def _ids(job: Job) -> dict[str, str]:
    return {"job_id": job.job_id} | ({"request_id": job.request_id} if job.request_id else {})
