"""A job as the rivals show it: as many fields, and as long, as ours."""

import json
from datetime import UTC, datetime
from typing import Any


def job_document(job_id: str) -> dict[str, Any]:
    """A job that waits."""
    path = f"/api/jobs/{job_id}"
    now = datetime.now(UTC)
    return {
        "job_id": job_id,
        "kind": "nothing",
        "status": "pending",
        "progress": None,
        "data": None,
        "error": None,
        "error_code": None,
        "retryable": None,
        "revision": 1,
        "attempt": 1,
        "created_at": now,
        "started_at": None,
        "updated_at": now,
        "finished_at": None,
        "expires_at": None,
        "links": {"self": path, "events": f"{path}/ws", "result": f"{path}/result"},
    }


def frame() -> str:
    """A job that runs, in a frame."""
    job = job_document("0192f0c1-7c1e-4d3a-9d53-0d2f5a3f7c11") | {"status": "running"}
    job["progress"] = {"done": 1000, "total": None, "unit": "steps", "message": ""}
    return json.dumps({"type": "job", "job": job}, default=datetime.isoformat)
