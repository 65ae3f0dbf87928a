"""The page's files, whole and with an ETag.

aiohttp's own way answers a missing file, a range past the end and a failed If-Match with statuses that no
middleware sees, and so without a problem document.
"""

import asyncio
from pathlib import Path
from typing import Final

from aiohttp import hdrs, web

from kameo_async.web.keys import CONFIG
from kameo_async.web.preferences import known_tags

# Not from the system's table of types, which differs from machine to machine.
_TYPES: Final = {
    ".css": "text/css",
    ".html": "text/html",
    ".js": "text/javascript",
    ".svg": "image/svg+xml",
}


async def static(request: web.Request) -> web.Response:
    """A file of the page; 404 for whatever is not one."""
    return await file(request, request.match_info["path"])


async def file(request: web.Request, name: str) -> web.Response:
    """The file `name` of the page's folder, or 304 where the client has it."""
    found = await asyncio.to_thread(_read, request.app[CONFIG].static, name)
    if found is None:
        raise web.HTTPNotFound
    tag, body = found
    headers = {hdrs.ETAG: tag, hdrs.CACHE_CONTROL: "no-cache"}
    if known_tags(request) & {tag, "*"}:
        return web.Response(status=304, headers=headers)
    mime = _TYPES.get(Path(name).suffix, "application/octet-stream")
    charset = None if mime == "application/octet-stream" else "utf-8"
    return web.Response(body=body, content_type=mime, charset=charset, headers=headers)


def _read(folder: Path, name: str) -> tuple[str, bytes] | None:
    """The file's tag and content; None where there is none inside of `folder`."""
    try:
        path = (folder / name).resolve()
        if not path.is_relative_to(folder.resolve()) or not path.is_file():
            return None
        status = path.stat()
        return f'"{status.st_mtime_ns:x}-{status.st_size:x}"', path.read_bytes()
    except (OSError, ValueError):  # a name too long, or with a null byte
        return None
