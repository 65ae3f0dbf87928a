"""Long jobs behind an HTTP API, in asyncio: Kameo's loans, or whatever a kind does."""

from kameo_async.jobs.errors import JobFailed
from kameo_async.jobs.kind import Kind, Report

__all__ = ["JobFailed", "Kind", "Report", "__version__"]
__version__ = "0.1.0"
