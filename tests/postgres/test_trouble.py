"""What a process on a database that others use too must bear: it goes on by itself."""

import asyncio
import time
from collections.abc import Callable
from typing import Any

import psycopg
import pytest
from structlog.testing import capture_logs

from tests.engine_suite.puppet import in_time
from tests.postgres.conftest import ended
from tests.postgres.server import Server

pytestmark = pytest.mark.database

Start = Callable[..., Any]


async def test_strange_words_on_the_channel_are_passed_over(
    server: Server, url: str, start_service: Start
) -> None:
    """Whoever may connect may say what they like there; ours are heard as soon as before."""
    one, other = await start_service(url), await start_service(url)
    for words in ("", "hm", "success", "success x y", "success x 1 2", "success \n 1", "x" * 7000):
        server.execute(f"SELECT pg_notify('kameo_async', '{words}')", url)
    events = await other.subscribe()
    begin = time.monotonic()
    for _ in range(8):
        job = await one.submit("walk")
        assert (await in_time(anext(events))).job_id == job.job_id
    assert time.monotonic() - begin < 4  # by looking alone it takes a second each


async def test_an_error_of_the_database_ends_no_loop(server: Server, url: str, start_service: Start) -> None:
    """As when a newer program changes the tables under an older one: the log has it; work goes on."""
    tables = ("job", "worker", "procrastinate_jobs")
    with capture_logs() as logs:
        service = await start_service(url, runs_jobs=True, lease=0.8)
        for table in tables:
            server.execute(f"ALTER TABLE {table} RENAME TO moved_{table}", url)
        try:
            with pytest.raises(psycopg.errors.UndefinedTable):
                await service.submit("walk")
            expected = {"worker.claim_failed", "worker.beat_failed", "database.look_failed"}
            async with asyncio.timeout(5):
                while expected - {line["event"] for line in logs}:
                    await asyncio.sleep(0.02)
        finally:
            for table in tables:
                server.execute(f"ALTER TABLE moved_{table} RENAME TO {table}", url)
        assert (await ended(service, await service.submit("walk"))).status == "success"
