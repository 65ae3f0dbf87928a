"""What must be decided before there is a request: bytes that are none, clients that say nothing, too many.

aiohttp offers no public way to answer what its parser refuses, to bound how long a first request may take,
or to bound connections; three of its private methods are overridden here, and tests/trust holds them.
"""

import asyncio
import resource
from collections.abc import Callable
from typing import Any, Final, cast

import structlog
from aiohttp import http_parser, web
from aiohttp.web_protocol import RequestHandler

from kameo_async.web.door import REQUEST_ID, new_request_id, unrouted_problem
from kameo_async.web.problems import HttpError
from kameo_async.web.short_way import with_short_way
from kameo_async.web.sparse import Sparse

log = structlog.get_logger()

FIRST_REQUEST_SECONDS: Final = 10  # from the connection to the end of the first request's headers
KEEPALIVE_SECONDS: Final = 12  # from an answer to the end of the next request's headers
LINGERING_SECONDS: Final = 5  # for a body that nobody wanted
SHUTDOWN_SECONDS: Final = 0.3  # for what is being answered; `serve` promises to leave in 2 s after the grace
STALL_SECONDS: Final = 10  # without a byte taken of what was sent
RESERVED_DESCRIPTORS: Final = 64  # for files, the upstream and the journal


def has_fast_parser() -> bool:
    """Whether aiohttp's C parser is there; the other one is more lenient than is safe."""
    return http_parser.HttpRequestParser is not http_parser.HttpRequestParserPy


class Connection(RequestHandler):
    """A connection that must say and take something in time, and whose noise is answered without an echo."""

    __slots__ = ("_first_request", "_stall", "is_refused", "on_resume")

    is_refused: bool  # told before it is made: there is no room for it

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        if self.is_refused:
            cast("asyncio.Transport", transport).abort()
        self._first_request = self._loop.call_later(FIRST_REQUEST_SECONDS, self._say_nothing_longer)
        self._stall: Stall | None = None
        self.on_resume: Callable[[], object] | None = None

    def connection_lost(self, exc: BaseException | None) -> None:
        self._first_request.cancel()
        if self._stall is not None:
            self._stall.end()
        super().connection_lost(exc)
        self._data_received_cb = None  # a websocket's, and the socket holds this connection: a cycle

    def pause_writing(self) -> None:
        super().pause_writing()
        if self.transport is not None:
            self._stall = Stall(self.transport, self._loop)

    def resume_writing(self) -> None:
        super().resume_writing()
        if self._stall is not None:
            self._stall.end()
        if self.on_resume is not None:
            self.on_resume()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self._request_count == 1:
            self._first_request.cancel()

    @property
    def is_idle(self) -> bool:
        """Whether no request is being answered on it."""
        return not self._request_in_progress and not self._messages

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Answers what is no request; neither the answer nor the log repeats a byte of it."""
        return self._plain(request, HttpError(status, "The request cannot be understood"))

    async def finish_response(
        self, request: web.BaseRequest, resp: web.StreamResponse, start_time: float | None
    ) -> tuple[web.StreamResponse, bool]:
        """Also answers as a problem what the framework refused before any handler (417)."""
        if isinstance(resp, web.HTTPException) and not resp.prepared:
            resp = self._plain(request, HttpError(resp.status, resp.reason), request.rel_url.raw_path)
        return await super().finish_response(request, resp, start_time)

    def log_exception(self, *args: Any, **kw: Any) -> None:
        """aiohttp's own words come with a traceback, which may hold what the client sent."""
        error = kw.get("exc_info")
        log.warning("http.connection_failed", error=type(error).__name__)

    def _plain(self, request: web.BaseRequest, error: HttpError, path: str = "") -> web.Response:
        request_id = request[REQUEST_ID] = new_request_id()
        log.info("http.unreadable", status=error.status, request_id=request_id)
        answer = unrouted_problem(request, error, request_id, instance=path)
        answer.force_close()
        return answer

    def _say_nothing_longer(self) -> None:
        if self.is_idle:
            self.force_close()


class Stall:
    """Cuts a client that takes nothing for too long; it may be as slow as it likes."""

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport = transport
        self._loop = loop
        self._unsent = transport.get_write_buffer_size()
        self._seconds = 0
        self._timer = loop.call_later(1, self._look)

    def end(self) -> None:
        self._timer.cancel()

    def _look(self) -> None:
        before, self._unsent = self._unsent, self._transport.get_write_buffer_size()
        self._seconds = 0 if self._unsent < before else self._seconds + 1
        if self._seconds < STALL_SECONDS:
            self._timer = self._loop.call_later(1, self._look)
        else:
            log.info("http.stalled", seconds=STALL_SECONDS)
            self._transport.abort()


class Server(web.Server):
    """Makes a `Connection` for each client, and room for it: descriptors are never used up."""

    max_connections: int = 1024

    def __call__(self) -> Connection:
        connection = Connection(self, loop=self._loop, **self._kwargs)
        connection.is_refused = len(self._connections) >= self.max_connections and not self._has_made_room()
        return connection

    async def shutdown(self, timeout: float | None = None) -> None:  # noqa: ASYNC109 - it is aiohttp's
        """Ends all connections, also those of clients that do not take what was sent to them."""
        transports = [connection.transport for connection in self._connections]
        await super().shutdown(timeout)
        for transport in transports:
            if transport is not None:
                transport.abort()

    def _has_made_room(self) -> bool:
        """Closes the idle connection that is the oldest; False where all are busy."""
        _crowded.say("http.crowded", connections=len(self._connections))
        for connection in self._connections:
            if isinstance(connection, Connection) and connection.is_idle and connection.transport is not None:
                connection.force_close()
                return True
        return False


_crowded = Sparse("warning", seconds=10)


class Runner(web.AppRunner):
    """Runs an application on `Server`."""

    def __init__(self, app: web.Application) -> None:
        super().__init__(
            app,
            access_log=None,
            handler_cancellation=True,
            keepalive_timeout=KEEPALIVE_SECONDS,
            lingering_time=LINGERING_SECONDS,
            shutdown_timeout=SHUTDOWN_SECONDS,
        )

    async def _make_server(self) -> Server:
        made = await super()._make_server()
        options: dict[str, Any] = {**made._kwargs, "handler_cancellation": made.handler_cancellation}  # noqa: SLF001
        handler = with_short_way(self.app, made.request_handler)
        server = Server(handler, request_factory=made.request_factory, **options)
        server.max_connections = max(1, raised_descriptor_limit() - RESERVED_DESCRIPTORS)
        return server


def raised_descriptor_limit() -> int:
    """The most descriptors that this process may have, after asking for as many as it may ask for."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < hard:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        except (OSError, ValueError):
            return soft
    return hard
