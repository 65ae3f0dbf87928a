"""The page of a web whose jobs are run by other processes."""

import pytest
from playwright.async_api import Page, expect

from kameo_async.app import create_app
from kameo_async.settings import ServiceSettings
from kameo_async.web.protocol import Runner
from tests.browser.reader import start
from tests.browser.served import NOBODY, served
from tests.postgres.server import Server, server

__all__ = ["server"]

pytestmark = pytest.mark.database


async def test_a_job_without_a_worker_says_what_it_waits_for(page: Page, server: Server) -> None:
    """In both languages; it goes on by itself as soon as a worker is there."""
    with server.lent() as url:
        worker = Runner(create_app(ServiceSettings(database_url=url), mode="test", worker=True))
        async with served(NOBODY, mode="test", database_url=url) as service:
            await start(page, service.url)
            headline = page.locator("#headline")
            await expect(headline).to_have_text(
                "Väntar: ingen arbetsprocess för jobbet är i gång. Det börjar när en startas."
            )
            await page.get_by_role("button", name="English").click()
            await expect(headline).to_have_text(
                "Waiting: no worker for it is running. The job begins when one is started."
            )
            await worker.setup()
            try:
                await expect(headline).to_have_text("Done: 2 loans.")
            finally:
                await worker.cleanup()
