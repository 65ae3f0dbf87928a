"""What fetches share beyond themselves: in this process and its files, or through a database with others."""

from dataclasses import dataclass

from kameo_async.kameo.archive import Archive
from kameo_async.kameo.client import RatesOf
from kameo_async.kameo.session import SessionState


@dataclass(frozen=True, slots=True)
class Shared:
    """The memory of loans, the logins, and the throttle's bookkeeping; null is one of the process's own."""

    archive: Archive
    logins: SessionState | None = None
    rates_of: RatesOf | None = None
