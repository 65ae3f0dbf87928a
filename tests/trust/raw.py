"""A client without manners: bytes over a socket, whatever they are."""

import re
import socket
from dataclasses import dataclass

SECONDS = 15.0
UPGRADE = (
    "Upgrade: websocket",
    "Connection: Upgrade",
    "Sec-WebSocket-Version: 13",
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
)


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back: 0 and nothing where the connection was only closed."""

    status: int
    headers: dict[str, str]
    body: bytes
    raw: bytes


def connect(port: int) -> socket.socket:
    """A connection that waits for an answer no longer than anybody should."""
    return socket.create_connection(("127.0.0.1", port), timeout=SECONDS)


def read(connection: socket.socket, *, is_head: bool = False) -> Answer:
    """One answer, or what came until the other side closed."""
    raw = b""
    while not _is_whole(raw, is_head=is_head):
        chunk = connection.recv(65536)
        if not chunk:
            break
        raw += chunk
    head, _, body = raw.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    pairs = (line.partition(": ") for line in lines)
    return Answer(
        int(first.split()[1]) if raw else 0, {name.lower(): value for name, _, value in pairs}, body, raw
    )


def _is_whole(raw: bytes, *, is_head: bool) -> bool:
    head, separator, body = raw.partition(b"\r\n\r\n")
    if not separator:
        return False
    if is_head or head.startswith((b"HTTP/1.1 101", b"HTTP/1.1 304")):
        return True
    length = re.search(rb"(?i)\r\ncontent-length: (\d+)", head)
    return length is not None and len(body) >= int(length[1])


def ask(port: int, data: bytes, *, is_head: bool = False) -> Answer:
    """Sends bytes, reads one answer."""
    with connect(port) as connection:
        connection.sendall(data)
        return read(connection, is_head=is_head)


def request(
    port: int,
    method: str = "GET",
    target: str = "/api/health",
    *lines: str,
    body: bytes = b"",
    host: str | None = None,
) -> bytes:
    """The bytes of a request; `lines` are header lines."""
    own = f"127.0.0.1:{port}" if host is None else host
    length = [f"Content-Length: {len(body)}"] if body or method == "POST" else []
    head = "\r\n".join([f"{method} {target} HTTP/1.1", f"Host: {own}", *lines, *length])
    return head.encode("latin-1") + b"\r\n\r\n" + body
