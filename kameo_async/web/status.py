"""How the service is: health, readiness, metrics."""

from datetime import UTC, datetime
from typing import Any

import orjson
from aiohttp import hdrs, web
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4

from kameo_async.jobs.document import timestamp
from kameo_async.web.keys import CONFIG, JOBS, METRICS
from kameo_async.web.problems import RETRY_AFTER_SECONDS, HttpError
from kameo_async.web.sockets import SOCKETS


async def health(request: web.Request) -> web.Response:
    """200 while the process lives."""
    config = request.app[CONFIG]
    fields: dict[str, Any] = {
        "status": "healthy",
        "timestamp": timestamp(datetime.now(UTC)),
        "version": config.version,
        "engine": config.engine,
        "mode": config.mode,
        "durable": config.is_durable,
        "active_jobs": request.app[JOBS].active_jobs,
        "websocket_connections": len(request.app[SOCKETS]),
    }
    workers, warnings = request.app[JOBS].workers, request.app[JOBS].warnings
    if workers is not None:
        fields |= {"workers": workers, "warnings": warnings}
    return web.Response(body=orjson.dumps(fields), content_type="application/json")


async def ready(request: web.Request) -> web.Response:
    """200 while jobs are taken."""
    if not request.app[JOBS].is_ready:
        raise HttpError(503, "The service takes no jobs now", {"Retry-After": RETRY_AFTER_SECONDS})
    return web.Response(body=b'{"status":"ready"}', content_type="application/json")


async def metrics(request: web.Request) -> web.Response:
    """Prometheus's text format."""
    body = request.app[METRICS].expose()
    return web.Response(
        body=body, headers={hdrs.CONTENT_TYPE: CONTENT_TYPE_PLAIN_0_0_4, hdrs.CACHE_CONTROL: "no-store"}
    )
