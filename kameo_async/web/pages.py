"""The page, the docs, and the door to them where a token is set."""

from typing import Final

from aiohttp import hdrs, web

from kameo_async.web.access import UnauthorizedError, cookie_name
from kameo_async.web.files import file
from kameo_async.web.keys import ACCESS

_NO_STORE: Final = {hdrs.CACHE_CONTROL: "no-store"}

# A redirect would lose the strict cookie where the link came from another site.
_OPENED: Final = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><link rel="icon" href="data:,">
<title>kameo-async</title>
<meta http-equiv="refresh" content="0; url=/"></head>
<body><p><a href="/">Open the page</a></p></body></html>
"""
_LOCKED: Final = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><link rel="icon" href="data:,">
<title>kameo-async: a token is needed</title></head>
<body><main><h1>A token is needed</h1>
<p>Open this page once as <code>/?token=…</code>, with the value of <code>KAMEO_ASYNC_TOKEN</code>;
the browser then remembers it.</p></main></body></html>
"""


def _html(text: str, status: int = 200) -> web.Response:
    return web.Response(
        text=text, status=status, content_type="text/html", charset="utf-8", headers=_NO_STORE
    )


async def index(request: web.Request) -> web.Response:
    """The page; as `/?token=…` the answer that lets the browser in."""
    access = request.app[ACCESS]
    if access.cookie is not None and "token" in request.query:
        return _opened(request, access.cookie)
    return await file(request, "index.html")


def _opened(request: web.Request, cookie: str) -> web.Response:
    if not request.app[ACCESS].is_token(request.query["token"]):
        raise UnauthorizedError
    response = _html(_OPENED)
    response.set_cookie(cookie_name(request), cookie, httponly=True, samesite="Strict", path="/")
    return response


def locked_page() -> web.Response:
    """401 as HTML, for people."""
    response = _html(_LOCKED, 401)
    response.headers[hdrs.WWW_AUTHENTICATE] = "Bearer"
    return response


async def docs(request: web.Request) -> web.Response:
    """The page to try the API from."""
    return await file(request, "docs.html")


async def old_address(_: web.Request) -> web.Response:
    """The ancestor's address of the page."""
    raise web.HTTPPermanentRedirect("/")
