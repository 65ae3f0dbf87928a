"""How long a server may say nothing: one that is frozen keeps its connections open and never answers."""

import asyncio
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import psycopg


@contextmanager
def answering(connection: psycopg.AsyncConnection[object], seconds: float) -> Iterator[None]:
    """Raises TimeoutError where what is asked inside takes longer.

    The line is cut rather than the wait cancelled: psycopg meets a cancel by asking the same server to stop,
    and waits for that answer too.
    """
    is_cut = False

    def cut() -> None:
        nonlocal is_cut
        is_cut = True
        _cut(connection)

    timer = asyncio.get_running_loop().call_later(seconds, cut)
    try:
        yield
    except psycopg.Error as error:
        if is_cut:
            raise TimeoutError(f"no answer within {seconds:.3g} seconds") from error
        raise
    finally:
        timer.cancel()


def _cut(connection: psycopg.AsyncConnection[object]) -> None:
    if not connection.closed:
        with suppress(OSError), socket.socket(fileno=os.dup(connection.pgconn.socket)) as line:
            line.shutdown(socket.SHUT_RDWR)
