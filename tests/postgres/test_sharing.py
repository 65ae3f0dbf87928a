"""Real processes on one database and one Kameo: one login, one limit, one memory."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from kameo_async.app import create_app
from kameo_async.clock import SystemClock
from kameo_async.jobs.document import decode
from kameo_async.kinds.loan_fetch import LoanFetchJobService
from kameo_async.sandbox.options import SandboxOptions
from kameo_async.sandbox.server import RunningSandbox, running_sandbox
from kameo_async.serve import sandbox_config
from kameo_async.settings import ServiceSettings
from kameo_async.web.keys import JOBS
from kameo_async.web.protocol import Runner
from tests import processes
from tests.postgres.conftest import ended
from tests.postgres.server import Server
from tests.processes import Command

pytestmark = pytest.mark.database

LISTING = "/v1/loans/listing/investment-options"
PER_MINUTE = 20


@pytest.fixture
async def sandbox() -> AsyncIterator[RunningSandbox]:
    """A Kameo that asks for codes, and whose loans stay as they are."""
    async with running_sandbox(SandboxOptions(pace=0, latency=(0.02, 0.05)), SystemClock()) as running:
        yield running


def environment(url: str, sandbox: RunningSandbox, **more: str) -> Mapping[str, str]:
    return {**sandbox.settings(), "KAMEO_ASYNC_DATABASE_URL": url, **more}


@asynccontextmanager
async def worker(folder: Path, settings: Mapping[str, str]) -> AsyncIterator[Callable[[], str]]:
    """`kameo-async worker`; gives what reads its log."""
    log = folder / f"worker{len(list(folder.iterdir()))}.log"
    with log.open("wb") as stderr, closing(Command(folder, "worker", env=settings, stderr=stderr)) as process:
        async with asyncio.timeout(30):
            assert await asyncio.to_thread(process.stdout.readline), log.read_text()
        yield log.read_text


async def run(folder: Path, settings: Mapping[str, str], *words: str) -> tuple[int, bytes]:
    """A command to its end: its exit code and stderr."""
    done = await asyncio.to_thread(processes.run, folder, *words, **settings)
    return done.returncode, done.stderr


async def test_workers_share_login_and_limit(
    url: str, start_service: Callable[..., Any], sandbox: RunningSandbox, tmp_path: Path
) -> None:
    """Two workers want 28 pages, of 20 a minute: Kameo sees one login, and 20 requests, not one more."""
    limits = {"KAMEO_REQUESTS_PER_MINUTE": str(PER_MINUTE), "KAMEO_ASYNC_MAX_RUNNING_JOBS": "2"}
    settings = environment(url, sandbox, KAMEO_ASYNC_LOG_LEVEL="debug", **limits)
    kind = LoanFetchJobService(lambda: pytest.fail("a web runs nothing"), clock=SystemClock())
    async with worker(tmp_path, settings) as one, worker(tmp_path, settings) as other:
        web = await start_service(url, kind, mode="live")
        jobs = [await web.submit("fetch-loans") for _ in range(4)]
        async with asyncio.timeout(20):
            while sandbox.record.answers(LISTING) < PER_MINUTE:
                await asyncio.sleep(0.05)
        await asyncio.sleep(0.5)
        running = [await web.get(job.job_id) for job in jobs]
        logs = one(), other()
    assert sandbox.record.answers(LISTING, 200) == sandbox.record.answers(LISTING) == PER_MINUTE
    assert (sandbox.record.logins, sandbox.record.codes_used_twice) == (1, 0)
    assert sum(log.count("kameo.logged_in") for log in logs) == 1
    assert all("job.started" in log for log in logs)
    assert {job.status for job in running} <= {"running", "success"}


async def test_commands_share_it_too(
    server: Server, url: str, sandbox: RunningSandbox, tmp_path: Path
) -> None:
    """`fetch` goes on with the login of `check`; what it saw is in the database, and no file is left."""
    settings = environment(url, sandbox)
    assert await run(tmp_path, settings, "check") == (0, b"")
    assert await run(tmp_path, settings, "fetch", "--format", "json") == (0, b"")
    assert (sandbox.record.logins, sandbox.record.codes_used_twice) == (1, 0)
    assert server.execute("SELECT DISTINCT source FROM archive_fetches", url) == [("live.127.0.0.1",)]
    assert list(tmp_path.iterdir()) == []


async def test_a_service_that_runs_jobs_remembers_there(
    server: Server, url: str, sandbox: RunningSandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`serve --worker`: the loans of one job are the past of the next, also for another process."""
    monkeypatch.chdir(tmp_path)
    for _ in range(2):
        settings = ServiceSettings(database_url=SecretStr(url), shutdown_grace_seconds=0)
        app = create_app(settings, mode="live", read_config=sandbox_config(sandbox), worker=True)
        runner = Runner(app)
        await runner.setup()
        job = await ended(app[JOBS], await app[JOBS].submit("fetch-loans"))
        assert job.status == "success"
        past = await ended(app[JOBS], await app[JOBS].submit("loan-history"))
        await runner.cleanup()
    assert job.result is not None
    assert past.result is not None
    result, history = decode(job.result), decode(past.result)
    assert result["changes"]["since"] is not None
    assert [result["changes"][name] for name in ("new", "gone", "changed")] == [[], [], []]
    assert {row["id"] for row in history["rows"]} == {loan["id"] for loan in result["loans"]}
    assert sandbox.record.logins == 1
    assert list(tmp_path.iterdir()) == []
