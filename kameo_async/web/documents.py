"""The API described, made once for the kinds that are served."""

import orjson
from aiohttp import web

from kameo_async.web import asyncapi, openapi
from kameo_async.web.keys import CONFIG, JOBS

DOCUMENTS = web.AppKey("DOCUMENTS", dict[str, bytes])


def prepare(app: web.Application, *, needs_token: bool) -> None:
    """Makes both documents for the kinds of `app`."""
    kinds, config = tuple(app[JOBS].kinds.values()), app[CONFIG]
    app[DOCUMENTS] = {
        describe.__module__.rpartition(".")[2]: orjson.dumps(
            describe(kinds, config.version, needs_token=needs_token)
        )
        for describe in (openapi.describe, asyncapi.describe)
    }


async def get_openapi(request: web.Request) -> web.Response:
    """OpenAPI 3.1."""
    return _json(request, "openapi")


async def get_asyncapi(request: web.Request) -> web.Response:
    """AsyncAPI 3."""
    return _json(request, "asyncapi")


def _json(request: web.Request, name: str) -> web.Response:
    return web.Response(body=request.app[DOCUMENTS][name], content_type="application/json")
