"""Forks processes of `kameo-async` off one that has imported everything; for tests/processes.py.

An order on its socket is one packet: JSON of `words` (with `-m` first: of another program, as Python takes
them), `cwd` and `env`, and four descriptors
for stdin, stdout, stderr and the news. The news are two lines: the process's id, and how it ended as
`waitpid` tells it. The end of the socket ends the forge, and nothing that it started.
"""

import gc
import importlib
import json
import os
import runpy
import select
import signal
import socket
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from kameo_async.cli import main

LARGEST = 1 << 18


@dataclass(frozen=True, slots=True)
class Order:
    """What to start."""

    words: Sequence[str]
    cwd: str
    env: dict[str, str]


def run(descriptor: int) -> None:
    """Serves the socket of that number; in a child, runs what was ordered."""
    start = _imported()
    woken, wakes = socket.socketpair()
    with socket.socket(fileno=descriptor) as orders, woken, wakes:
        wakes.setblocking(False)
        order = _serve(orders, woken, wakes)
    if order is not None:
        _become(order)
        if order.words[0] == "-m":
            del sys.argv[:2]
            runpy.run_module(order.words[1], run_name="__main__")
        else:
            start()


def _imported() -> Callable[[], None]:
    for name in ("check", "engines.postgres", "fetch", "sandbox.command", "worker"):
        importlib.import_module(f"kameo_async.{name}")
    gc.freeze()
    return main


def _serve(orders: socket.socket, woken: socket.socket, wakes: socket.socket) -> Order | None:
    """Gives an order to the child that is to become it; null in the forge itself, at the end."""
    signal.set_wakeup_fd(wakes.fileno(), warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    news: dict[int, int] = {}
    while True:
        ready, _, _ = select.select([orders, woken], [], [])
        if woken in ready:
            woken.recv(4096)
            _tell_ends(news)
        if orders in ready:
            packet, descriptors, _, _ = socket.recv_fds(orders, LARGEST, 4)
            if not packet:
                return None
            child = os.fork()
            if child == 0:
                _take(descriptors)
                return Order(**json.loads(packet))
            for descriptor in descriptors[:3]:
                os.close(descriptor)
            news[child] = descriptors[3]
            os.write(descriptors[3], b"%d\n" % child)


def _tell_ends(news: dict[int, int]) -> None:
    while news:
        child, status = os.waitpid(-1, os.WNOHANG)
        if child == 0:
            return
        descriptor = news.pop(child)
        os.write(descriptor, b"%d\n" % status)
        os.close(descriptor)


def _take(descriptors: Sequence[int]) -> None:
    """In the child: stdin, stdout and stderr; the news are the forge's."""
    signal.set_wakeup_fd(-1)
    for number, descriptor in enumerate(descriptors[:3]):
        os.dup2(descriptor, number)
    for descriptor in descriptors:
        os.close(descriptor)


def _become(order: Order) -> None:
    """All that a start would have set."""
    for number in (signal.SIGCHLD, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.environ.clear()
    os.environ.update(order.env)
    os.chdir(order.cwd)
    os.closerange(3, 256)  # the news of other children
    time.tzset()
    sys.argv[:] = ["kameo-async", *order.words]
    sys.path[:0] = [order.cwd, *order.env.get("PYTHONPATH", "").split(os.pathsep)]
    # Anew: the forge's own may have led to a file, and would seek.
    sys.stdout = open(1, "w", encoding="utf-8", closefd=False)  # noqa: SIM115
    sys.stdout.reconfigure(write_through="PYTHONUNBUFFERED" in order.env)
    sys.stderr = open(  # noqa: SIM115
        2, "w", encoding="utf-8", errors="backslashreplace", buffering=1, closefd=False
    )
