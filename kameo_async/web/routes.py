"""The URL table and what CORS offers on it.

`/api/jobs/{x}` is one resource for kinds and ids: patterns side by side would answer 405 where a job is
not found, and two resources would fail the preflight of DELETE.
"""

from collections.abc import Mapping

import aiohttp_cors
from aiohttp import web
from aiohttp_cors.urldispatcher_router_adapter import ResourcesUrlDispatcherRouterAdapter

from kameo_async.web import documents, files, handlers, pages, status, websocket
from kameo_async.web.access import Access
from kameo_async.web.config import AccessConfig

JOB = r"/api/jobs/{job:(?!ws$)[^{}/]+}"

ROUTES: tuple[web.RouteDef, ...] = (
    web.get("/api/jobs", handlers.list_jobs),
    web.get("/api/jobs/ws", websocket.all_jobs),
    web.get(JOB, handlers.get_job),
    web.post(JOB, handlers.submit),
    web.delete(JOB, handlers.cancel),
    web.get(f"{JOB}/result", handlers.get_result),
    web.get(f"{JOB}/ws", websocket.one_job),
    web.get("/api/kinds", handlers.list_kinds),
    web.get("/api/health", status.health),
    web.get("/api/ready", status.ready),
    web.get("/metrics", status.metrics),
    web.get("/api/openapi.json", documents.get_openapi),
    web.get("/api/asyncapi.json", documents.get_asyncapi),
    web.get("/docs", pages.docs),
    web.get("/", pages.index),
    web.get("/docs/async_process_demo.html", pages.old_address),
)

_REQUEST_HEADERS = (
    "Authorization",
    "Content-Type",
    "Idempotency-Key",
    "If-None-Match",
    "Prefer",
    "X-Request-ID",
)
_MAX_AGE_SECONDS = 600


def add_routes(app: web.Application, access: Access, origins: AccessConfig) -> None:
    """Adds the table, the static files and CORS to `app`."""
    allowed = {origin: _options(with_credentials=True) for origin in origins.cors_origins}
    if origins.is_development:
        allowed["*"] = _options(with_credentials=False)
    adapter = _OwnOriginToo(app.router, allowed, access)
    cors = aiohttp_cors.CorsConfig(app, defaults=allowed, router_adapter=adapter)
    for route in app.add_routes(ROUTES):
        cors.add(route)
    app.router.add_get("/static/{path:.+}", files.static)


def _options(*, with_credentials: bool) -> aiohttp_cors.ResourceOptions:
    return aiohttp_cors.ResourceOptions(  # type: ignore[no-untyped-call]  # the library has no types
        allow_credentials=with_credentials, allow_headers=_REQUEST_HEADERS, max_age=_MAX_AGE_SECONDS
    )


class _OwnOriginToo(ResourcesUrlDispatcherRouterAdapter):
    """Offers preflights to the service's own origin as well, which depends on the request's Host."""

    def __init__(self, router: web.UrlDispatcher, defaults: Mapping[str, object], access: Access) -> None:
        super().__init__(router, defaults)
        self._access = access

    async def get_preflight_request_config(
        self, preflight_request: web.Request, origin: str, requested_method: str
    ) -> Mapping[str, object]:
        config: Mapping[str, object]
        config = await super().get_preflight_request_config(preflight_request, origin, requested_method)
        if self._access.may_send_credentials(preflight_request, origin):
            return {**config, origin: _options(with_credentials=True)}
        return config
