"""What people would use instead: the same poll, submit and push."""

from typing import Protocol


class Rival(Protocol):
    """A running set-up of another library."""

    name: str
    port: int  # where a datagram `step` makes it tell its listeners

    def poll_url(self) -> str:
        """A finished job with 700 bytes of result."""

    def submit_url(self) -> str:
        """Where a POST starts a job that does nothing."""

    def rest(self) -> None:
        """Returns when no job waits or runs."""

    def listen_url(self) -> str | None:
        """A websocket that hears of one job."""
