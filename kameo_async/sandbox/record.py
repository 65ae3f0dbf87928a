"""What came in and what was answered, so that tests can ask."""

from collections import Counter
from dataclasses import dataclass, field

API_PREFIX = "/v1"


@dataclass(slots=True)
class Record:
    """Counts since the start.

    `arrived` counts (method, path) as they come in, `answered` (method, path, status) as they are
    answered; a request that nobody answers stands in the first alone.
    """

    arrived: Counter[tuple[str, str]] = field(default_factory=Counter)
    answered: Counter[tuple[str, str, int]] = field(default_factory=Counter)
    logins: int = 0
    passwords_refused: int = 0
    codes_refused: int = 0
    codes_used_twice: int = 0

    @property
    def api_writes(self) -> int:
        """How many requests other than GET came to the API: those that could bid."""
        return sum(
            count for (method, path), count in self.arrived.items() if method != "GET" and is_api_path(path)
        )

    def answers(self, path: str, status: int | None = None) -> int:
        """How many requests to this path were answered (with this status)."""
        return sum(
            count
            for (_, answered_path, answered_status), count in self.answered.items()
            if answered_path == path and status in (None, answered_status)
        )


def is_api_path(path: str) -> bool:
    """Whether a path belongs to the API; else it is the site's."""
    return path == API_PREFIX or path.startswith(f"{API_PREFIX}/")
