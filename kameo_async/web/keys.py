"""Typed keys of what the application holds (aiohttp `web.AppKey`)."""

from aiohttp import web

from kameo_async.jobs.service import JobService
from kameo_async.web.access import Access
from kameo_async.web.config import WebConfig
from kameo_async.web.metrics import Metrics

JOBS = web.AppKey("JOBS", JobService)
ACCESS = web.AppKey("ACCESS", Access)
CONFIG = web.AppKey("CONFIG", WebConfig)
METRICS = web.AppKey("METRICS", Metrics)
