"""Kinds for the bench, as an installed package would bring them."""

import asyncio
import json
import os
import time
from typing import Any, Self

from pydantic import BaseModel, Field

from kameo_async import Report

_TICK = 0.001  # seconds between looks at how late the loop is


class Nothing:
    """Ends at once, or after so many seconds; its result is as long as is asked for."""

    kind = "nothing"
    title = "Do nothing"
    description = "Gives so many characters."

    class Params(BaseModel):
        size: int = Field(0, ge=0, le=2**24)
        seconds: float = Field(0, ge=0, le=60)

    class Result(BaseModel):
        text: str

    async def run(self, params: Params, report: Report) -> Result:
        if params.seconds:
            await asyncio.sleep(params.seconds)
        return self.Result(text="x" * params.size)


class Chatter:
    """Reports a thousand times a second."""

    kind = "chatter"
    title = "Report"
    description = "Reports all the time."

    class Params(BaseModel):
        seconds: float = Field(gt=0, le=60)

    class Result(BaseModel):
        reports: int

    async def run(self, params: Params, report: Report) -> Result:
        loop = asyncio.get_running_loop()
        began, reports = loop.time(), 0
        while (passed := loop.time() - began) < params.seconds:
            while reports < passed * 1000:
                reports += 1
                await report(reports, unit="reports")
            await asyncio.sleep(_TICK)
        return self.Result(reports=reports)


class Stage(asyncio.DatagramProtocol):
    """Reports when a datagram says `step`; answers `lag` with how late the loop was since the last one."""

    kind = "stage"
    title = "Step"
    description = "Reports when it is told to."

    class Params(BaseModel):
        pass

    class Result(BaseModel):
        pass

    def __init__(self) -> None:
        self._steps = 0
        self._stepped = asyncio.Event()
        self._transport: asyncio.DatagramTransport | None = None
        self._due = 0.0
        self._latest = 0.0
        self._timer: asyncio.TimerHandle | None = None

    async def __aenter__(self) -> Self:
        if port := os.environ.get("BENCH_PORT"):
            loop = asyncio.get_running_loop()
            await loop.create_datagram_endpoint(lambda: self, local_addr=("127.0.0.1", int(port)))
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._transport is not None:
            self._transport.close()
        if self._timer is not None:
            self._timer.cancel()

    def connection_made(self, transport: Any) -> None:
        self._transport = transport

    def datagram_received(self, data: bytes, addr: Any) -> None:
        if data == b"step":
            self._steps += 1
            self._stepped.set()
        elif data == b"lag" and self._transport is not None:
            self._transport.sendto(json.dumps(self._latest).encode(), addr)
            self._latest = 0.0
            if self._timer is None:
                self._look()
        elif data == b"rest" and self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _look(self) -> None:
        now = time.perf_counter()  # the loop's own clock counts whole milliseconds
        if self._timer is not None:
            self._latest = max(self._latest, now - self._due)
        self._due = now + _TICK
        self._timer = asyncio.get_running_loop().call_later(_TICK, self._look)

    async def run(self, params: Params, report: Report) -> Result:
        while True:
            self._stepped.clear()
            await self._stepped.wait()
            await report(self._steps, unit="steps")
