"""A kind that takes its time and says who runs it."""

import asyncio
import os

from pydantic import BaseModel

from kameo_async.jobs.kind import Report


class Walk:
    kind = "walk"
    title = "Walk"
    description = "Goes some steps."

    class Params(BaseModel):
        name: str = ""
        seconds: float = 0.0
        steps: int = 1

    class Result(BaseModel):
        name: str
        pid: int

    async def run(self, params: Params, report: Report) -> BaseModel:
        for step in range(1, params.steps + 1):
            await report(step, params.steps, message=str(os.getpid()))
            await asyncio.sleep(params.seconds / params.steps)
        return self.Result(name=params.name, pid=os.getpid())
