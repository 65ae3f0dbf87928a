"""The API described, made once for the kinds that are served."""

import hashlib

import orjson
from aiohttp import hdrs, web

from kameo_async.web import asyncapi, openapi
from kameo_async.web.keys import CONFIG, JOBS
from kameo_async.web.preferences import known_tags

# By name, each document as its entity tag and its bytes.
DOCUMENTS = web.AppKey("DOCUMENTS", dict[str, tuple[str, bytes]])


def prepare(app: web.Application, *, needs_token: bool) -> None:
    """Makes both documents for the kinds of `app`."""
    kinds, version = tuple(app[JOBS].kinds.values()), app[CONFIG].version
    app[DOCUMENTS] = {
        "openapi": _tagged(openapi.describe(kinds, version, needs_token=needs_token)),
        "asyncapi": _tagged(asyncapi.describe(kinds, version, needs_token=needs_token)),
    }


async def get_openapi(request: web.Request) -> web.Response:
    """OpenAPI 3.1."""
    return _answer(request, "openapi")


async def get_asyncapi(request: web.Request) -> web.Response:
    """AsyncAPI 3."""
    return _answer(request, "asyncapi")


def _tagged(document: dict[str, object]) -> tuple[str, bytes]:
    body = orjson.dumps(document)
    return f'"{hashlib.sha256(body).hexdigest()[:32]}"', body


def _answer(request: web.Request, name: str) -> web.Response:
    tag, body = request.app[DOCUMENTS][name]
    headers = {hdrs.ETAG: tag, hdrs.CACHE_CONTROL: "no-cache"}
    if known_tags(request) & {tag, "*"}:
        return web.Response(status=304, headers=headers)
    return web.Response(body=body, content_type="application/json", headers=headers)
