"""The API described, made when it is first asked for: it takes longer than anything else at the start."""

import hashlib
from collections.abc import Iterable
from functools import cached_property

import orjson
from aiohttp import hdrs, web

from kameo_async.jobs.kind import Kind
from kameo_async.web import asyncapi, openapi, schemas
from kameo_async.web.keys import CONFIG, JOBS
from kameo_async.web.preferences import known_tags

Tagged = tuple[str, bytes]


class Documents:
    """Both documents for these kinds, each as its entity tag and its bytes."""

    def __init__(self, kinds: Iterable[Kind], version: str, *, needs_token: bool) -> None:
        self._kinds = tuple(kinds)
        self._version = version
        self._needs_token = needs_token

    @cached_property
    def openapi(self) -> Tagged:
        return _tagged(openapi.describe(self._kinds, self._version, needs_token=self._needs_token))

    @cached_property
    def asyncapi(self) -> Tagged:
        return _tagged(asyncapi.describe(self._kinds, self._version, needs_token=self._needs_token))


DOCUMENTS = web.AppKey("DOCUMENTS", Documents)


def prepare(app: web.Application, *, needs_token: bool) -> None:
    """Lets `app` describe its kinds. Raises InvalidKindError for one that cannot be described."""
    kinds = app[JOBS].kinds.values()
    for kind in kinds:
        schemas.check(kind)
    app[DOCUMENTS] = Documents(kinds, app[CONFIG].version, needs_token=needs_token)


async def get_openapi(request: web.Request) -> web.Response:
    """OpenAPI 3.1."""
    return _answer(request, request.app[DOCUMENTS].openapi)


async def get_asyncapi(request: web.Request) -> web.Response:
    """AsyncAPI 3."""
    return _answer(request, request.app[DOCUMENTS].asyncapi)


def _tagged(document: dict[str, object]) -> Tagged:
    body = orjson.dumps(document)
    return f'"{hashlib.sha256(body).hexdigest()[:32]}"', body


def _answer(request: web.Request, document: Tagged) -> web.Response:
    tag, body = document
    headers = {hdrs.ETAG: tag, hdrs.CACHE_CONTROL: "no-cache"}
    if known_tags(request) & {tag, "*"}:
        return web.Response(status=304, headers=headers)
    return web.Response(body=body, content_type="application/json", headers=headers)
