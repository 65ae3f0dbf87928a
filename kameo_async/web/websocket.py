"""Websockets: one subscription per socket, frames that equal what a GET would have answered."""

from collections.abc import AsyncIterator
from functools import lru_cache

import orjson
from aiohttp import web

from kameo_async.jobs.document import document, summary
from kameo_async.jobs.models import Job
from kameo_async.jobs.service import JobService
from kameo_async.jobs.subscription import Expired, Subscription
from kameo_async.web.keys import JOBS, SOCKETS
from kameo_async.web.query import number, single

NEWEST = 100
_CACHED_FRAMES = 64


async def one_job(request: web.Request) -> web.StreamResponse:
    """The job as it is, then each newer revision, last the terminal one, then 1000."""
    since = number("since", single(request.query, {"since"}).get("since"), 0)
    async with await request.app[JOBS].subscribe(request.match_info["job"], since) as subscription:
        return await request.app[SOCKETS].serve(request, _job_frames(subscription))


async def all_jobs(request: web.Request) -> web.StreamResponse:
    """The newest jobs, then every change of any."""
    single(request.query, set())
    jobs = request.app[JOBS]
    async with await jobs.subscribe() as subscription:
        return await request.app[SOCKETS].serve(request, _all_frames(jobs, subscription))


async def _job_frames(subscription: Subscription) -> AsyncIterator[bytes]:
    async for event in subscription:
        if isinstance(event, Job):
            yield job_frame(event)


async def _all_frames(jobs: JobService, subscription: Subscription) -> AsyncIterator[bytes]:
    page = await jobs.list(limit=NEWEST)
    sent = {job.job_id: job.revision for job in page.jobs}
    yield b'{"type":"jobs","jobs":[%b],"total_jobs":%d}' % (b",".join(map(summary, page.jobs)), page.total)
    async for event in subscription:
        if isinstance(event, Expired):
            yield orjson.dumps({"type": "expired", "job_id": event.job_id})
        elif event.revision > sent.pop(event.job_id, 0):
            yield summary_frame(event)


def job_frame(job: Job) -> bytes:
    """A frame of the job's own socket: the document with its result, which is remembered elsewhere."""
    return summary_frame(job) if job.result is None else b'{"type":"job","job":%b}' % document(job)


@lru_cache(_CACHED_FRAMES)
def summary_frame(job: Job) -> bytes:
    """A frame of the socket over all jobs: `data` is null."""
    return b'{"type":"job","job":%b}' % summary(job)
