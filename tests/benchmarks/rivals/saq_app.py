"""Jobs with SAQ and its Redis, as its README sets it up, behind FastAPI (SAQ brings no API of its own).

`saq tests.benchmarks.rivals.saq_app.settings` runs the worker. https://saq-py.readthedocs.io/
"""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI, HTTPException, WebSocket, WebSocketDisconnect
from saq import Queue

from tests.benchmarks.rivals.shape import frame

queue = Queue.from_url(os.environ["REDIS_URL"])


async def nothing(ctx: dict[str, Any], *, size: int = 0) -> dict[str, Any]:
    """The job: it does nothing."""
    return {"text": "x" * size}


async def stage(ctx: dict[str, Any]) -> None:
    """Tells its listeners of an update whenever the bench says so."""
    stepped: asyncio.Queue[bytes] = asyncio.Queue()

    class Steps(asyncio.DatagramProtocol):
        def datagram_received(self, data: bytes, addr: Any) -> None:
            stepped.put_nowait(data)

    address = ("127.0.0.1", int(os.environ["BENCH_PORT"]))
    transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(Steps, local_addr=address)
    try:
        for steps in range(10**9):
            await stepped.get()
            await ctx["job"].update(meta={"steps": steps})
    finally:
        transport.close()


settings = {"queue": queue, "functions": [nothing, stage], "concurrency": 10}


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    await queue.connect()
    yield
    await queue.disconnect()


app = FastAPI(lifespan=lifespan)


@app.post("/jobs/{function}", status_code=202)
async def submit(function: str, size: int | None = None) -> dict[str, Any]:
    params = {} if size is None else {"size": size}
    job = await queue.enqueue(function, timeout=1200, ttl=3600, **params)
    assert job is not None
    document: dict[str, Any] = job.to_dict()
    return document


@app.get("/jobs/{job_key}")
async def get_job(job_key: str) -> dict[str, Any]:
    job = await queue.job(job_key)
    if job is None:
        raise HTTPException(404, "Job not found")
    document: dict[str, Any] = job.to_dict()
    return document


@app.get("/active")
async def active() -> int:
    count: int = await queue.count("incomplete")
    return count


@app.websocket("/jobs/{job_key}/ws")
async def listen(websocket: WebSocket, job_key: str) -> None:
    await websocket.accept()

    async def tell(job_id: str, status: Any) -> None:
        await websocket.send_text(frame())

    await websocket.send_text(frame())
    listening = asyncio.create_task(queue.listen([job_key], tell, timeout=None))
    try:
        while True:
            await websocket.receive_text()
    except WebSocketDisconnect:
        listening.cancel()
