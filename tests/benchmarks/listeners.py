"""Many websockets as a client: raw sockets behind one epoll, since libraries would measure themselves."""

import base64
import json
import os
import selectors
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

from tests.benchmarks.machine import NotThereError

_PATIENCE_SECONDS = 20
_BATCH = 100  # connections opened before their answers are read; a backlog holds 128


class Listeners:
    """Sockets that are open at one address, each with its first frame read."""

    def __init__(self, url: str, count: int) -> None:
        self._selector = selectors.EpollSelector()
        self._sockets: list[socket.socket] = []
        for start in range(0, count, _BATCH):
            batch = [_asked(url) for _ in range(min(_BATCH, count - start))]
            for one in batch:
                _read_upgrade(one)
                one.setblocking(False)
                self._selector.register(one, selectors.EVENT_READ)
            self._sockets += batch

    def drain(self, seconds: float = 0.3) -> int:
        """Reads what comes until nothing came for so long; gives the number of reads."""
        reads = 0
        while ready := self._selector.select(seconds):
            reads += len([key.fileobj.recv(65536) for key, _ in ready])  # type: ignore[union-attr]
        return reads

    def time_to_all(self, port: int) -> float:
        """Seconds from a datagram `step` to `port` until the last of them has a frame."""
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as trigger:
            began = time.perf_counter()
            trigger.sendto(b"step", ("127.0.0.1", port))
            left = len(self._sockets)
            while left > 0:
                ready = self._selector.select(_PATIENCE_SECONDS)
                if not ready:
                    raise NotThereError(f"{left} of {len(self._sockets)} listeners were not told")
                for key, _ in ready:
                    key.fileobj.recv(65536)  # type: ignore[union-attr]
                left -= len(ready)
            return time.perf_counter() - began

    def close(self) -> None:
        """All at once, without a word."""
        for one in self._sockets:
            one.close()
        self._selector.close()


@contextmanager
def listening(url: str, count: int) -> Iterator[Listeners]:
    """`count` websockets at `url`, closed at the end."""
    listeners = Listeners(url, count)
    try:
        yield listeners
    finally:
        listeners.close()


def lag_seconds(port: int) -> float:
    """How late the service's loop was at worst since the last such question; the first one only begins."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        asking.settimeout(_PATIENCE_SECONDS)
        asking.sendto(b"lag", ("127.0.0.1", port))
        return float(json.loads(asking.recv(100)))


def stop_looking(port: int) -> None:
    """The service looks at its loop no more."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        asking.sendto(b"rest", ("127.0.0.1", port))


def _asked(url: str) -> socket.socket:
    parts = urlsplit(url)
    one = socket.create_connection((parts.hostname, parts.port), timeout=_PATIENCE_SECONDS)
    key = base64.b64encode(os.urandom(16)).decode()
    one.sendall(
        f"GET {parts.path} HTTP/1.1\r\nHost: {parts.netloc}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n\r\n".encode()
    )
    return one


def _read_upgrade(one: socket.socket) -> None:
    """The answer's head and a whole first frame; each of ours is longer than 125 and shorter than 64 kB."""
    got = b""
    while b"\r\n\r\n" not in got:
        got += _received(one)
    head, _, frame = got.partition(b"\r\n\r\n")
    if b" 101 " not in head.partition(b"\r\n")[0]:
        raise NotThereError(f"no websocket: {head[:80]!r}")
    while len(frame) < 4 or len(frame) < 4 + int.from_bytes(frame[2:4], "big"):
        frame += _received(one)


def _received(one: socket.socket) -> bytes:
    data = one.recv(65536)
    if not data:
        raise NotThereError("the websocket was closed")
    return data
