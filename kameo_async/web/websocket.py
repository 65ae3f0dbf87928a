"""Websockets: one subscription per socket, frames that equal what a GET would have answered."""

from functools import lru_cache

import orjson
from aiohttp import web

from kameo_async.jobs.document import document, summary
from kameo_async.jobs.models import Job
from kameo_async.jobs.subscription import Event, Expired
from kameo_async.web.keys import JOBS
from kameo_async.web.query import number, single
from kameo_async.web.sockets import SOCKETS

NEWEST = 100
_CACHED_FRAMES = 64


async def one_job(request: web.Request) -> web.StreamResponse:
    """The job as it is, then each newer revision, last the terminal one, then 1000."""
    since = number("since", single(request.query, {"since"}).get("since"), 0)
    async with await request.app[JOBS].subscribe(request.match_info["job"], since) as subscription:
        return await request.app[SOCKETS].serve(request, subscription, _frame_of)


async def all_jobs(request: web.Request) -> web.StreamResponse:
    """The newest jobs, then every change of any."""
    single(request.query, set())
    jobs = request.app[JOBS]
    async with await jobs.subscribe() as subscription:
        page = await jobs.list(limit=NEWEST)
        newest = b",".join(map(summary, page.jobs))
        first = b'{"type":"jobs","jobs":[%b],"total_jobs":%d}' % (newest, page.total)
        news = _News({job.job_id: job.revision for job in page.jobs})
        return await request.app[SOCKETS].serve(request, subscription, news.frame_of, first)


class _News:
    """Frames of all jobs; what the first frame held is not told again."""

    def __init__(self, told: dict[str, int]) -> None:
        self._told = told

    def frame_of(self, event: Event) -> bytes | None:
        if isinstance(event, Expired):
            return expired_frame(event)
        return summary_frame(event) if event.revision > self._told.pop(event.job_id, 0) else None


def _frame_of(event: Event) -> bytes | None:
    return job_frame(event) if isinstance(event, Job) else None


def job_frame(job: Job) -> bytes:
    """A frame of the job's own socket: the document with its result, which is remembered elsewhere."""
    return summary_frame(job) if job.result is None else b'{"type":"job","job":%b}' % document(job)


@lru_cache(_CACHED_FRAMES)
def summary_frame(job: Job) -> bytes:
    """A frame of the socket over all jobs: `data` is null."""
    return b'{"type":"job","job":%b}' % summary(job)


@lru_cache(_CACHED_FRAMES)
def expired_frame(event: Expired) -> bytes:
    """A frame that tells of a job's removal."""
    return orjson.dumps({"type": "expired", "job_id": event.job_id})
