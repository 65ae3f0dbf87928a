"""The state machine, run on each engine."""

import asyncio
import sqlite3
import tempfile
from contextlib import AsyncExitStack, closing
from pathlib import Path
from typing import ClassVar

import pytest
from hypothesis import Phase, settings
from hypothesis.stateful import rule

from kameo_async.jobs.journal import Journal
from kameo_async.jobs.service import JobService
from tests.engine_suite.machine import LIMITS, JobsMachine
from tests.postgres.server import Server
from tests.postgres.suite import running_cluster, service_of


class JournaledMachine(JobsMachine):
    """With a journal, and a death of the process now and then."""

    may_jump = False  # over a restart the rest of a job's time runs by the wall clock

    def __init__(self) -> None:
        self.folder = tempfile.TemporaryDirectory()
        self.lives = 0
        super().__init__()

    def teardown(self) -> None:
        super().teardown()
        self.folder.cleanup()

    @property
    def path(self) -> Path:
        return Path(self.folder.name, f"{self.lives}.sqlite3")

    async def enter(self) -> JobService:
        self.journal = await Journal.open(self.path, self.clock).__aenter__()
        return await JobService([self.puppet], LIMITS, self.clock, self.journal).__aenter__()

    async def rest(self) -> None:
        await super().rest()
        while self.journal.is_busy:
            await asyncio.sleep(0.0001)
            await super().rest()

    async def leave(self) -> None:
        await super().leave()
        await self.journal.__aexit__()

    @rule()
    def die(self) -> None:
        """The file is all that is left; what had not ended is lost."""
        copy = Path(self.folder.name, f"{self.lives + 1}.sqlite3")
        with closing(sqlite3.connect(self.path)) as now, closing(sqlite3.connect(copy)) as then:
            now.backup(then)
        self.runner.run(self.leave())
        self.lives += 1
        self.ears.clear()
        for job in self._of("pending", "running"):
            self._model_end(job, "failed", "worker_lost")
            job.progress = None
            job.revision += 1  # newer than all that was seen
        self.do(self._start)


class PostgresMachine(JobsMachine):
    """With a database; a process that leaves hands its jobs back."""

    server: ClassVar[Server]

    async def enter(self) -> JobService:
        self.stack = AsyncExitStack()
        url = self.stack.enter_context(self.server.lent())
        cluster = await self.stack.enter_async_context(running_cluster(url, self.clock))
        return await service_of(cluster, [self.puppet], LIMITS).__aenter__()

    async def end(self) -> None:
        await self.stack.aclose()

    def model_closes(self) -> None:
        for job in self._of("running"):
            job.status, job.progress = "pending", None


@pytest.fixture(scope="module")
def machine_server(server: Server) -> None:
    """The server that the machines of this module use."""
    PostgresMachine.server = server


STEPS = settings(
    max_examples=50,
    stateful_step_count=30,
    deadline=None,
    database=None,
    phases=[Phase.generate],  # thirty steps are read faster than they are shrunk
)

TestJobsInMemory = JobsMachine.TestCase
TestJobsInMemory.settings = STEPS
TestJobsWithAJournal = JournaledMachine.TestCase
TestJobsWithAJournal.settings = settings(STEPS, max_examples=25)
TestJobsInPostgres = pytest.mark.database(pytest.mark.usefixtures("machine_server")(PostgresMachine.TestCase))
TestJobsInPostgres.settings = settings(STEPS, max_examples=15)
