"""For all tests: how many examples hypothesis tries, and a log whose tracebacks cost little."""

import os

import pytest
import structlog
from hypothesis import settings

settings.register_profile("fuzz", max_examples=5000, deadline=None)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "default"))

_PLAIN = structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)


@pytest.fixture(autouse=True)
def log() -> None:
    """As the service has it: structlog's own choice, with every local variable, takes 100 ms a traceback."""
    structlog.configure(
        processors=[structlog.contextvars.merge_contextvars, structlog.processors.add_log_level, _PLAIN]
    )
