"""What this process has shown of jobs lately, so that nothing is shown twice, nor older after newer."""

from collections import OrderedDict

from kameo_async.engines.postgres.rows import is_light
from kameo_async.jobs.models import Job

_REVISIONS = 100_000
_BYTES = 32 * 1024 * 1024
_JOB_BYTES = 1024
_GONE = 2**62


class Recent:
    """The newest revision shown of each job, and the jobs themselves up to a number of bytes.

    One object stands for a revision as long as it is here: so its document is encoded once. Mutable:
    `_revisions` and `_jobs` (both the least lately used first), `_size`.
    """

    def __init__(self) -> None:
        self._revisions: OrderedDict[str, int] = OrderedDict()
        self._jobs: OrderedDict[str, Job] = OrderedDict()
        self._size = 0

    def revision(self, job_id: str) -> int:
        """The newest one shown; 0 for none."""
        return self._revisions.get(job_id, 0)

    def job(self, job_id: str) -> Job | None:
        """The newest known revision, with its result."""
        return self._jobs.get(job_id)

    def one(self, job: Job) -> Job:
        """The object that stands for this revision: the known one, else `job`."""
        known = self._jobs.get(job.job_id)
        if known is not None and known.revision >= job.revision:
            self._jobs.move_to_end(job.job_id)
            return known if known.revision == job.revision else job
        if not is_light(job):
            self._keep(job)
        return job

    def shown(self, job_id: str, revision: int) -> bool:
        """Notes that this revision is shown now; whether it is news."""
        if revision <= self._revisions.get(job_id, 0):
            return False
        self._revisions[job_id] = revision
        self._revisions.move_to_end(job_id)
        if len(self._revisions) > _REVISIONS:
            self._revisions.popitem(last=False)
        return True

    def gone(self, job_id: str) -> bool:
        """Notes that the job was removed; whether that is news."""
        if (job := self._jobs.pop(job_id, None)) is not None:
            self._size -= _cost(job)
        return self.shown(job_id, _GONE)

    def _keep(self, job: Job) -> None:
        if (older := self._jobs.pop(job.job_id, None)) is not None:
            self._size -= _cost(older)
        self._jobs[job.job_id] = job
        self._size += _cost(job)
        while self._size > _BYTES and len(self._jobs) > 1:
            self._size -= _cost(self._jobs.popitem(last=False)[1])


def _cost(job: Job) -> int:
    return len(job.result or b"") + len(job.params) + _JOB_BYTES
