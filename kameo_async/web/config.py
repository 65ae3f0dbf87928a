"""The few settings that `web/` needs, handed down frozen."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True, repr=False)
class AccessConfig:
    """Who may come in. `token` is a secret: this class has no repr."""

    token: str | None = None
    cors_origins: tuple[str, ...] = ()
    allowed_hosts: tuple[str, ...] = ()
    is_development: bool = False


@dataclass(frozen=True, slots=True)
class WebConfig:
    """What health says of the service, where the page is, how many sockets it holds."""

    version: str
    engine: str
    mode: str
    is_durable: bool
    static: Path
    max_websockets: int = 10_000
