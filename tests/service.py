"""A service in the test's own loop, on a real port, with kinds that do what a test tells them."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, nullcontext
from typing import Any

import aiohttp
from aiohttp import web
from pydantic import BaseModel, Field
from pyleak import no_task_leaks

from kameo_async import JobFailed, Report
from kameo_async.app import create_app
from kameo_async.jobs.kind import Kind
from kameo_async.settings import ServiceSettings
from kameo_async.web.keys import JOBS
from kameo_async.web.protocol import Runner
from tests.clock import FakeClock
from tests.unblocked import unblocked


class Echo:
    """Says a text again at once; its result is a table of words."""

    kind = "echo"
    title = "Say it again"
    description = "Returns the text, a word at a time."
    table = "words"

    class Params(BaseModel):
        text: str = Field("", max_length=100, description="what to say")
        times: int = Field(1, ge=1, le=9, description="how often")
        tags: tuple[str, ...] = Field((), max_length=5, description="words that are given back")

    class Word(BaseModel):
        n: int
        word: str

    class Result(BaseModel):
        words: list["Echo.Word"]
        tags: tuple[str, ...] = ()

    async def run(self, params: Params, report: Report) -> Result:
        words = params.text.split() * params.times
        for n, word in enumerate(words, 1):
            await report(n, len(words), unit="words", message=word)
        if "fail" in words:
            raise JobFailed("told_to", "It was told to fail.", retryable=True)
        return self.Result(
            words=[self.Word(n=n, word=word) for n, word in enumerate(words)], tags=params.tags
        )


class Gate:
    """Runs until the test opens it; reports what the test tells it to."""

    kind = "gate"
    title = "Wait"
    description = "Waits until it is let go."

    class Params(BaseModel):
        name: str = "one"

    class Result(BaseModel):
        name: str

    def __init__(self) -> None:
        self.opened: dict[str, asyncio.Event] = {}
        self.reports: dict[str, Report] = {}
        self.begun: dict[str, asyncio.Event] = {}
        self.started: list[str] = []
        self.running = 0
        self.most = 0

    def gate(self, name: str = "one") -> asyncio.Event:
        return self.opened.setdefault(name, asyncio.Event())

    async def run(self, params: Params, report: Report) -> Result:
        self.started.append(params.name)
        self.reports[params.name] = report
        self.begun.setdefault(params.name, asyncio.Event()).set()
        self.running += 1
        self.most = max(self.most, self.running)
        try:
            await self.gate(params.name).wait()
        finally:
            self.running -= 1
        return self.Result(name=params.name)


class Service:
    """What a test holds of a running service."""

    def __init__(self, app: web.Application, url: str, clock: FakeClock, gate: Gate) -> None:
        self.app = app
        self.jobs = app[JOBS]
        self.url = url
        self.clock = clock
        self.gate = gate
        self.client = aiohttp.ClientSession(url)

    async def start(self, kind: str = "gate", **params: Any) -> dict[str, Any]:
        """Submits a job that must be taken; gives the document."""
        async with self.client.post(f"/api/jobs/{kind}", json=params) as answer:
            assert answer.status == 202, await answer.text()
            document: dict[str, Any] = await answer.json()
            return document

    async def running(self, name: str = "one") -> dict[str, Any]:
        """Starts a gate and waits until it runs."""
        job = await self.start(name=name)
        await self.gate.begun.setdefault(name, asyncio.Event()).wait()
        return job

    async def finished(self, kind: str = "echo", **params: Any) -> dict[str, Any]:
        """Runs a job to its end."""
        async with self.client.post(
            f"/api/jobs/{kind}", json=params, headers={"Prefer": "wait=20"}
        ) as answer:
            assert answer.status == 200, await answer.text()
            document: dict[str, Any] = await answer.json()
            return document

    async def get(self, job: dict[str, Any]) -> dict[str, Any]:
        """The job as a GET gives it."""
        async with self.client.get(job["links"]["self"]) as answer:
            document: dict[str, Any] = await answer.json()
            return document


@asynccontextmanager
async def running_service(
    kinds: Sequence[Kind] | None = None, *, is_watched: bool = True, **settings: Any
) -> AsyncIterator[Service]:
    """A service on a free port; `settings` are those of ServiceSettings.

    Fails where it leaves a task or blocks its loop; the second only where it `is_watched`, which a
    loop that several tests share cannot be, nor one that a test itself gives much to do.
    """
    watch = unblocked() if is_watched else nullcontext()
    async with no_task_leaks(action="raise"), _running(kinds, **settings) as service, watch:
        yield service


@asynccontextmanager
async def _running(kinds: Sequence[Kind] | None, **settings: Any) -> AsyncIterator[Service]:
    kinds = [Echo(), Gate()] if kinds is None else kinds
    clock, gate = FakeClock(), next((kind for kind in kinds if isinstance(kind, Gate)), Gate())
    app = create_app(
        ServiceSettings(shutdown_grace_seconds=0, **settings), mode="test", clock=clock, kinds=kinds
    )
    runner = Runner(app)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        service = Service(app, f"http://127.0.0.1:{runner.addresses[0][1]}", clock, gate)
        try:
            yield service
        finally:
            await service.client.close()
            closing = asyncio.ensure_future(service.jobs.close())
            await clock.advance(2)  # more than a kind gets to stop
            await closing
    finally:
        await runner.cleanup()
