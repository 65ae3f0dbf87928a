"""Only requests that look like the site's own pages' are answered."""

from aiohttp import web


def refuse_strangers(request: web.Request) -> None:
    """Raises HTTPForbidden, which names the first header that the site's own pages would send otherwise."""
    origin = request.headers.get("Origin", "")
    if origin != f"{request.scheme}://{request.host}":
        _refuse("Origin")
    if not request.headers.get("Referer", "").startswith(f"{origin}/"):
        _refuse("Referer")
    if not request.headers.get("Accept-Language", "").lower().startswith("sv"):
        _refuse("Accept-Language")
    if not request.headers.get("User-Agent"):
        _refuse("User-Agent")


def _refuse(header: str) -> None:
    raise web.HTTPForbidden(text=f"Not a request of our own pages: {header}")
