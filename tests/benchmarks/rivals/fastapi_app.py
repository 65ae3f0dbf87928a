"""Jobs with FastAPI's BackgroundTasks and a dict, as its tutorial puts it together.

https://fastapi.tiangolo.com/tutorial/background-tasks/ and, for the websockets,
https://fastapi.tiangolo.com/advanced/websockets/ ("Handling disconnections and multiple clients").
"""

import asyncio
import os
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

from fastapi import BackgroundTasks, FastAPI, HTTPException, WebSocket, WebSocketDisconnect

from tests.benchmarks.rivals.shape import frame, job_document

jobs: dict[str, dict[str, Any]] = {}


class ConnectionManager:
    """The tutorial's own."""

    def __init__(self) -> None:
        self.active_connections: list[WebSocket] = []

    async def connect(self, websocket: WebSocket) -> None:
        await websocket.accept()
        self.active_connections.append(websocket)

    def disconnect(self, websocket: WebSocket) -> None:
        self.active_connections.remove(websocket)

    async def broadcast(self, message: str) -> None:
        for connection in self.active_connections:
            await connection.send_text(message)


manager = ConnectionManager()


class Steps(asyncio.DatagramProtocol):
    """Tells the listeners when the bench says so."""

    def datagram_received(self, data: bytes, addr: Any) -> None:
        self.told = asyncio.ensure_future(manager.broadcast(frame()))


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Listens to the bench."""
    address = ("127.0.0.1", int(os.environ["BENCH_PORT"]))
    transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(Steps, local_addr=address)
    yield
    transport.close()


app = FastAPI(lifespan=lifespan)


async def run(job_id: str, size: int) -> None:
    """The job: it does nothing."""
    job = jobs[job_id]
    job["status"] = "running"
    job["started_at"] = datetime.now(UTC)
    job.update(status="success", data={"text": "x" * size}, finished_at=datetime.now(UTC))


@app.post("/jobs", status_code=202)
async def submit(background_tasks: BackgroundTasks, size: int = 0) -> dict[str, Any]:
    job_id = str(uuid.uuid4())
    jobs[job_id] = job_document(job_id)
    background_tasks.add_task(run, job_id, size)
    return jobs[job_id]


@app.get("/jobs/{job_id}")
async def get_job(job_id: str) -> dict[str, Any]:
    if job_id not in jobs:
        raise HTTPException(404, "Job not found")
    return jobs[job_id]


@app.get("/active")
async def active() -> int:
    return sum(job["status"] != "success" for job in jobs.values())


@app.websocket("/ws")
async def listen(websocket: WebSocket) -> None:
    await manager.connect(websocket)
    await websocket.send_text(frame())
    try:
        while True:
            await websocket.receive_text()
    except WebSocketDisconnect:
        manager.disconnect(websocket)
