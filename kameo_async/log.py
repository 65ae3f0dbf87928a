"""Logging: structlog for everything, console or JSON lines on stderr, nothing secret in either."""

import logging
import sys
from contextlib import suppress
from datetime import UTC, datetime
from typing import Literal, TextIO

import orjson
import structlog
from structlog.typing import EventDict, Processor

Format = Literal["console", "json"]

# Libraries that say more than a log needs, or that print what a request holds.
_QUIET = {"asyncio": logging.WARNING, "aiohttp.access": logging.CRITICAL}


def configure(level: str, format_: Format | None) -> None:
    """Sends structlog's and the standard library's records to stderr in one form.

    `format_` None means `console` on a terminal, else `json`. Ours do not pass through `logging`, which takes
    27 us a line, and a job has two.
    """
    chosen: Format = format_ or ("console" if sys.stderr.isatty() else "json")
    shared: list[Processor] = [structlog.contextvars.merge_contextvars, structlog.stdlib.add_log_level]
    renderers = _renderers(chosen)
    structlog.configure(
        processors=[*shared, *renderers],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelName(level.upper())),
        logger_factory=lambda *_: _Lines(sys.stderr),
        cache_logger_on_first_use=True,  # a lookup a line costs more than the line
    )
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=shared,
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *renderers],
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(formatter)
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    for name, least in _QUIET.items():
        logging.getLogger(name).setLevel(least)


class _Lines:
    """Writes lines, and never fails: a log that cannot be written must not end what it tells of."""

    def __init__(self, file: TextIO) -> None:
        self._file = file

    def write(self, line: str) -> None:
        with suppress(OSError, ValueError):
            self._file.write(f"{line}\n")
            self._file.flush()

    debug = info = warning = error = critical = exception = write


def _renderers(format_: Format) -> list[Processor]:
    if format_ == "json":
        return [json_line]
    # structlog's own choice, where rich is installed, prints every local variable, and so what is secret.
    plain = structlog.dev.plain_traceback
    console = structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), exception_formatter=plain)
    return [structlog.processors.TimeStamper(fmt="iso", utc=True), _escape, console]


def json_line(logger: object, level: str, event: EventDict) -> str:
    """In one step what structlog's own processors for the time, the traceback and JSON do in 6 us."""
    if "exc_info" in event:
        event = structlog.processors.format_exc_info(logger, level, event)
    event["timestamp"] = orjson.Fragment(orjson.dumps(datetime.now(UTC), option=orjson.OPT_UTC_Z))
    try:
        return _dumps(event)
    except TypeError:  # to tell is never to fail: an error whose text is no Unicode must end its job alone
        return _dumps({_words(name): _told(value) for name, value in event.items()})


def _told(value: object) -> object:
    """The value, or where JSON has no way to write it, its words."""
    try:
        _dumps(value)
    except TypeError:
        return _words(value)
    return value


def _words(value: object) -> str:
    """As text that UTF-8 can hold; the name of its type where it has none."""
    try:
        return str(value).encode(errors="backslashreplace").decode()
    except Exception:
        return type(value).__name__


def _dumps(value: object) -> str:
    """Raises TypeError for what is no JSON."""
    return orjson.dumps(value, default=str).decode()


def _escape(_: object, __: str, event: EventDict) -> EventDict:
    """One event is one line: control characters in a value are written as escapes."""
    return {
        name: value.encode("unicode_escape").decode()
        if _has_control(value) and name != "exception"
        else value
        for name, value in event.items()
    }


def _has_control(value: object) -> bool:
    return isinstance(value, str) and not value.isprintable()
