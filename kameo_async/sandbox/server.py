"""An imitation of Kameo's two hosts as one aiohttp app: the site at its root, the API under `/v1`."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from aiohttp import web
from aiohttp.typedefs import Handler

from kameo_async.clock import Clock
from kameo_async.sandbox import api, pages, site
from kameo_async.sandbox.options import Fault, SandboxOptions
from kameo_async.sandbox.record import API_PREFIX, Record, is_api_path
from kameo_async.sandbox.world import WORLD, World

_SHUTDOWN_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class RunningSandbox:
    """A sandbox that listens: where it is, who may log in, and what it has seen."""

    base_url: str
    email: str
    password: str = field(repr=False)
    totp_secret: str = field(repr=False)
    record: Record

    @property
    def api_url(self) -> str:
        return f"{self.base_url}{API_PREFIX}"

    def settings(self) -> dict[str, str]:
        """The environment variables under which a client uses this sandbox."""
        return {
            "KAMEO_BASE_URL": self.base_url,
            "KAMEO_API_URL": self.api_url,
            "KAMEO_EMAIL": self.email,
            "KAMEO_PASSWORD": self.password,
            "KAMEO_TOTP_SECRET": self.totp_secret,
        }


def create_sandbox(options: SandboxOptions, clock: Clock) -> web.Application:
    """The app; its own time starts now. Needs a running loop with SystemClock."""
    app = web.Application(middlewares=[_recorded, _in_our_words, _maintained])
    app[WORLD] = World(options, clock)
    app.add_routes([*site.routes(), *api.routes()])
    app.on_response_prepare.append(_allow_the_site)
    app.on_shutdown.append(_let_go)
    return app


@asynccontextmanager
async def running_sandbox(
    options: SandboxOptions, clock: Clock, host: str = "127.0.0.1", port: int = 0
) -> AsyncIterator[RunningSandbox]:
    """Listens while the context is open; port 0 takes a free one. Raises OSError where the port is taken."""
    app = create_sandbox(options, clock)
    runner = web.AppRunner(
        app, access_log=None, handler_cancellation=True, shutdown_timeout=_SHUTDOWN_SECONDS
    )
    await runner.setup()
    try:
        await web.TCPSite(runner, host, port).start()
        yield _described(options, app, host, runner.addresses[0][1])
    finally:
        await runner.cleanup()


def _described(options: SandboxOptions, app: web.Application, host: str, port: int) -> RunningSandbox:
    name = f"[{host}]" if ":" in host else host
    return RunningSandbox(
        base_url=f"http://{name}:{port}",
        email=options.email,
        password=options.password,
        totp_secret=options.totp_secret,
        record=app[WORLD].record,
    )


async def _let_go(app: web.Application) -> None:
    app[WORLD].closing.set()


async def _allow_the_site(request: web.Request, response: web.StreamResponse) -> None:
    origin = request.headers.get("Origin")
    if origin and is_api_path(request.path):
        response.headers["access-control-allow-origin"] = origin


@web.middleware
async def _recorded(request: web.Request, handler: Handler) -> web.StreamResponse:
    record = request.app[WORLD].record
    record.arrived[request.method, request.path] += 1
    try:
        response = await handler(request)
    except web.HTTPException as error:
        record.answered[request.method, request.path, error.status] += 1
        raise
    record.answered[request.method, request.path, response.status] += 1
    return response


@web.middleware
async def _in_our_words(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Errors are JSON at the API and a page at the site."""
    try:
        return await handler(request)
    except web.HTTPError as error:
        if is_api_path(request.path):
            return web.json_response({"message": _reason(error)}, status=error.status, headers=_kept(error))
        response = pages.page(error.reason, pages.alert(_reason(error)), status=error.status)
        response.headers.update(_kept(error))
        return response


def _reason(error: web.HTTPError) -> str:
    return (error.text or error.reason).removeprefix(f"{error.status}: ")


def _kept(error: web.HTTPError) -> dict[str, str]:
    return {name: value for name, value in error.headers.items() if name == "Allow"}


@web.middleware
async def _maintained(request: web.Request, handler: Handler) -> web.StreamResponse:
    if request.app[WORLD].faults.take(Fault.MAINTENANCE):
        return pages.nginx_page(503, "Service Temporarily Unavailable")
    return await handler(request)
