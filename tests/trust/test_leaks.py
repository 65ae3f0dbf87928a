"""What comes and goes leaves nothing behind in the process."""

import gc
import json
import signal
import socket
import struct

import aiohttp
from aiohttp import web

from tests.service import running_service
from tests.trust.conftest import Process
from tests.trust.raw import UPGRADE, ask, connect, request

RESET = struct.pack("ii", 1, 0)  # SO_LINGER: on, for no time


async def test_websockets_that_come_and_go_are_forgotten() -> None:
    """A hundred clients that open a websocket and leave: no socket object stays alive."""
    async with running_service() as service:
        for _ in range(20):
            async with aiohttp.ClientSession(service.url) as client:
                for _ in range(5):
                    async with client.ws_connect("/api/jobs/ws") as socket:
                        await socket.receive()
        await service.finished(text="a")  # the loop has gone round since the last one left
        gc.collect()
        alive = [each for each in gc.get_objects() if isinstance(each, web.WebSocketResponse)]
        assert len(alive) <= 5


def test_clients_that_leave_before_they_are_answered_are_no_error(process: Process) -> None:
    """A hundred ask, and are gone before the service looks: nothing crashed, nothing is told as ours."""
    targets = ("/api/jobs/ws", "/api/jobs", "/api/openapi.json")
    process.popen.send_signal(signal.SIGSTOP)
    for n in range(100):
        with connect(process.port) as connection:
            connection.sendall(request(process.port, "GET", targets[n % 3], *UPGRADE))
    process.popen.send_signal(signal.SIGCONT)
    assert ask(process.port, request(process.port)).status == 200
    assert {event["level"] for event in process.events} <= {"info", "debug"}


def test_clients_cut_in_the_middle_of_an_answer_are_no_error(process: Process) -> None:
    """Ten take a little of a large answer, by HTTP or websocket, and reset the connection: no crash."""
    start = request(process.port, "POST", "/api/jobs/puppet?given=8000000", "Prefer: wait=10")
    links = json.loads(ask(process.port, start).body)["links"]
    for n in range(10):
        with connect(process.port) as connection:
            target, lines = (links["result"], ()) if n % 2 else (links["events"], UPGRADE)
            connection.sendall(request(process.port, "GET", target, *lines))
            assert b"HTTP/1.1 " in connection.recv(65536)
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
    assert ask(process.port, request(process.port)).status == 200
    assert {event["level"] for event in process.events} <= {"info", "debug"}
