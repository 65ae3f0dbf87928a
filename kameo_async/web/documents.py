"""The API described: OpenAPI and AsyncAPI as JSON."""

import orjson
from aiohttp import web


async def openapi(_: web.Request) -> web.Response:
    """OpenAPI 3.1."""
    return web.Response(body=orjson.dumps({}), content_type="application/json")


async def asyncapi(_: web.Request) -> web.Response:
    """AsyncAPI 3."""
    return web.Response(body=orjson.dumps({}), content_type="application/json")
