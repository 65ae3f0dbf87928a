"""The journal's table, and jobs as its rows.

Times are whole microseconds since 1970, UTC. Of a job that has not ended, the row holds what it was
submitted with and the `ceiling`: no revision above it has been shown to anybody, so the one that a restart
makes, `ceiling + 1`, is newer than all that a client may have seen.
"""

import sqlite3
import sys
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson

from kameo_async.jobs.models import Failure, Job, JobStatus, Progress

FIRST_CEILING = 100

MIGRATIONS = (
    """
    CREATE TABLE jobs (
        sequence INTEGER PRIMARY KEY AUTOINCREMENT,  -- the order of listing, and the cursor
        job_id TEXT NOT NULL,
        kind TEXT NOT NULL,
        params BLOB NOT NULL,
        idempotency_key TEXT,
        request_id TEXT,
        created_at INTEGER NOT NULL,
        ceiling INTEGER NOT NULL,
        status TEXT,  -- from here on null until the job has ended
        revision INTEGER,
        attempt INTEGER,
        progress BLOB,
        result BLOB,
        error_code TEXT,
        error TEXT,
        retryable INTEGER,
        started_at INTEGER,
        finished_at INTEGER,
        expires_at INTEGER,
        size INTEGER
    )
    """,
)

INSERT = (
    "INSERT INTO jobs (sequence, job_id, kind, params, idempotency_key, request_id, created_at, ceiling)"
    " VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
)
END = (
    "UPDATE jobs SET status = ?, revision = ?, attempt = ?, progress = ?, result = ?, error_code = ?,"
    " error = ?, retryable = ?, started_at = ?, finished_at = ?, expires_at = ?, size = ? WHERE sequence = ?"
)
RAISE = "UPDATE jobs SET ceiling = ? WHERE sequence = ?"
DELETE = "DELETE FROM jobs WHERE sequence = ?"
PROBE = f"PRAGMA user_version = {len(MIGRATIONS)}"  # changes nothing, but writes a page

_LAST_SEQUENCE = "SELECT coalesce(max(seq), 0) FROM sqlite_sequence WHERE name = 'jobs'"
_SELECT = (
    "SELECT sequence, job_id, kind, params, idempotency_key, request_id, created_at, ceiling,"
    " status, revision, attempt, progress, result, error_code, error, retryable,"
    " started_at, finished_at, expires_at, size FROM jobs ORDER BY status IS NULL, expires_at, sequence"
)

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class KeptJob:
    """A job as the journal has it; one that had not ended is pending, its revision the ceiling."""

    sequence: int
    job: Job
    key: str | None
    size: int


def of_new(sequence: int, job: Job, key: str | None) -> tuple[Any, ...]:
    """The values of `INSERT`."""
    created_at = _micros(job.created_at)
    return (sequence, job.job_id, job.kind, job.params, key, job.request_id, created_at, FIRST_CEILING)


def of_end(sequence: int, job: Job, size: int) -> tuple[Any, ...]:
    """The values of `END`."""
    failure, progress = job.failure, job.progress
    return (
        job.status.value,
        job.revision,
        job.attempt,
        orjson.dumps((progress.done, progress.total, progress.unit, progress.message)) if progress else None,
        job.result,
        failure.code if failure else None,
        failure.message if failure else None,
        failure.retryable if failure else None,
        _micros(job.started_at),
        _micros(job.finished_at),
        _micros(job.expires_at),
        size,
        sequence,
    )


def read(connection: sqlite3.Connection) -> list[KeptJob]:
    """All rows, the first to expire first, those that had not ended last, in order."""
    return [_kept(*row) for row in connection.execute(_SELECT)]


def last_sequence(connection: sqlite3.Connection) -> int:
    """The highest sequence that was ever given, also to a job that is gone."""
    (sequence,) = connection.execute(_LAST_SEQUENCE).fetchone()
    return int(sequence)


def _kept(
    sequence: int,
    job_id: str,
    kind: str,
    params: bytes,
    key: str | None,
    request_id: str | None,
    created_at: int,
    ceiling: int,
    status: str | None,
    revision: int,
    attempt: int,
    progress: bytes | None,
    result: bytes | None,
    code: str | None,
    error: str,
    retryable: int,
    started_at: int | None,
    finished_at: int,
    expires_at: int,
    size: int,
) -> KeptJob:
    created = _time(created_at)
    if status is None:
        job = Job(job_id, sys.intern(kind), params, created, created, revision=ceiling, request_id=request_id)
        return KeptJob(sequence, job, key, 0)
    finished = _time(finished_at)
    job = Job(
        job_id,
        sys.intern(kind),
        params,
        created,
        finished,
        JobStatus(status),
        Progress(*orjson.loads(progress)) if progress else None,
        result,
        Failure(code, error, bool(retryable)) if code is not None else None,
        revision,
        attempt,
        _time(started_at) if started_at is not None else None,
        finished,
        _time(expires_at),
        request_id=request_id,
    )
    return KeptJob(sequence, job, key, size)


def _micros(time: datetime | None) -> int | None:
    return None if time is None else (time - _EPOCH) // _MICROSECOND


def _time(micros: int) -> datetime:
    return _EPOCH + timedelta(microseconds=micros)
