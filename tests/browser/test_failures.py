"""What goes wrong, by really going wrong, and what the page says and offers then."""

import re
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Page, expect
from pydantic import SecretStr

from tests.browser.processes import Service, sandbox, silent_kameo
from tests.browser.proxy import running_proxy
from tests.browser.reader import cancel, fetch, job_id_of, start, submit
from tests.browser.served import NOBODY, HurriedClock, Served, config_of, served


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def silence() -> AsyncIterator[dict[str, str]]:
    """The settings of a Kameo that never answers, so that no two-factor code is ever used up."""
    async with silent_kameo() as settings:
        yield {**settings, "KAMEO_ASYNC_SHUTDOWN_GRACE_SECONDS": "0"}


@pytest.fixture(scope="module")
def _process(tmp_path_factory: pytest.TempPathFactory, silence: dict[str, str]) -> Iterator[Service]:
    with Service(tmp_path_factory.mktemp("mortal"), env=silence) as service:
        yield service


@pytest.fixture
def mortal(_process: Service) -> Service:
    """A service to kill, whose jobs end with it and else go on until they are cancelled."""
    _process.start()
    return _process


@pytest.fixture
def durable(tmp_path: Path, silence: dict[str, str]) -> Iterator[Service]:
    """The same, with jobs that outlive a restart."""
    with Service(tmp_path, env={**silence, "KAMEO_ASYNC_STATE_FILE": str(tmp_path / "state.db")}) as service:
        yield service


async def test_missing_settings_are_named(page: Page) -> None:
    """The alert has the job's sentence, the settings that are missing, and what to do."""
    async with served(NOBODY) as service:
        await start(page, service.url)
        alert = page.get_by_role("alert")
        await expect(alert).to_contain_text("Configuration error:")
        await expect(alert.locator("code")).to_have_text(["KAMEO_EMAIL", "KAMEO_PASSWORD"])
        await expect(alert).to_contain_text(".env")
        first = await job_id_of(page)
        await page.get_by_role("button", name="Försök igen").click()
        await page.wait_for_function("id => !location.hash.includes(id)", arg=first)
        await expect(alert).to_contain_text("Configuration error:")


async def test_maintenance_at_kameo_is_called_that(page: Page) -> None:
    """The alert says that Kameo has maintenance, and to wait."""
    async with sandbox("maintenance") as kameo, served(config_of(kameo), clock=HurriedClock()) as service:
        await start(page, service.url)
        await expect(page.get_by_role("alert").get_by_role("heading")).to_have_text("Kameo har underhåll")
        await expect(page.get_by_role("alert")).to_contain_text("Vänta tills underhållet är över")


async def test_a_wrong_password_is_told(page: Page) -> None:
    """The alert says that Kameo let nobody in, and how to try the settings."""
    async with sandbox() as kameo, served(config_of(kameo, password=SecretStr("wrong"))) as service:
        await start(page, service.url)
        await expect(page.get_by_role("alert")).to_contain_text("kameo-async check")


async def test_after_five_minutes_it_stops_following(page: Page, hanging: Served) -> None:
    """By the page's clock; it says so, and offers to start anew or to go on waiting."""
    await page.clock.install()
    await start(page, hanging.url)
    await page.wait_for_url("**/#job=*")
    await page.clock.fast_forward("04:55")
    await expect(page.get_by_text("5 min")).to_be_hidden()
    await page.clock.fast_forward("00:10")
    await expect(page.get_by_role("alert")).to_contain_text("5 min")
    await expect(page.locator(".spinner")).to_be_hidden()
    await expect(page.get_by_role("button", name="Försök igen")).to_be_visible()
    await page.get_by_role("button", name="Vänta vidare").click()
    await expect(page.get_by_role("status").first).to_have_text("Hämtar lånen …")
    await expect(page.get_by_role("alert")).to_be_empty()
    await cancel(page, hanging.url, await job_id_of(page))
    await expect(page.get_by_role("status").first).to_have_text("Avbrutet.")


async def test_a_refused_websocket_gives_way_to_long_polls(page: Page, watchable: Served) -> None:
    """Behind a proxy that lets no websocket through the pages still come in, and the loans."""
    async with running_proxy(watchable.url, websockets=False) as proxy:
        await start(page, proxy.url)
        await expect(page.get_by_text(re.compile("sida [2-6] av 7"))).to_be_visible()
        await expect(page.locator(".result").get_by_role("rowheader")).to_have_count(80)
        assert proxy.refused > 0


async def test_a_websocket_that_never_opens_is_given_up(page: Page, watchable: Served) -> None:
    """A websocket about which nothing is heard is no reason to wait for ever."""
    await page.clock.install()
    await page.add_init_script("window.WebSocket = class { close() {} };")
    await start(page, watchable.url)
    await page.wait_for_url("**/#job=*")
    await page.clock.fast_forward(5_000)
    await expect(page.locator(".result")).to_be_visible()


async def test_a_lost_connection_is_told_and_found_again(page: Page, hanging: Served) -> None:
    """Återansluter …, and then the same job goes on."""
    async with running_proxy(hanging.url) as proxy:
        await start(page, proxy.url)
        await expect(page.get_by_role("status").first).to_have_text("Hämtar lånen …")
        await proxy.down()
        await expect(page.get_by_role("status").first).to_have_text("Återansluter …")
        await expect(page.get_by_role("button", name="Starta")).to_be_disabled()
        await proxy.up()
        await expect(page.get_by_role("status").first).to_have_text("Ansluten igen. Hämtar lånen …")
        await page.get_by_role("button", name="Avbryt").click()
        await expect(page.get_by_role("status").first).to_have_text("Avbrutet.")


async def test_a_service_that_restarts_is_waited_for_and_told(page: Page, mortal: Service) -> None:
    """Killed in the middle of a job, up again: the job is gone, and the page says why."""
    await start(page, mortal.url)
    await expect(page.get_by_role("status").first).to_have_text("Hämtar lånen …")
    mortal.kill()
    await expect(page.get_by_role("status").first).to_have_text("Återansluter …")
    mortal.start()
    await expect(page.get_by_role("alert")).to_contain_text("har startats om")
    await expect(page.get_by_role("button", name="Försök igen")).to_be_focused()
    await page.get_by_role("button", name="Försök igen").click()
    await expect(page.get_by_role("status").first).to_have_text("Hämtar lånen …")


async def test_a_job_that_a_restart_cut_off_is_told(page: Page, durable: Service) -> None:
    """Where jobs outlive a restart, the page says what became of the one that was at work."""
    await start(page, durable.url)
    await expect(page.get_by_role("status").first).to_have_text("Hämtar lånen …")
    durable.kill()
    await expect(page.get_by_role("status").first).to_have_text("Återansluter …")
    durable.start()
    await expect(page.get_by_role("alert").get_by_role("heading")).to_have_text("Jobbet tappades bort")
    await expect(page.get_by_role("button", name="Försök igen")).to_be_visible()


async def test_a_service_that_stops_tells_what_became_of_the_job(page: Page, mortal: Service) -> None:
    """SIGTERM ends the job as cancelled by the shutdown, and the page can still tell."""
    await start(page, mortal.url)
    await expect(page.get_by_role("status").first).to_have_text("Hämtar lånen …")
    mortal.stop()
    await expect(page.get_by_role("alert")).to_contain_text("Tjänsten stoppades")
    await expect(page.get_by_role("button", name="Försök igen")).to_be_visible()


async def test_an_expired_job_is_said_to_have_expired(page: Page) -> None:
    """A reload after the time that the service keeps jobs says why nothing is there."""
    async with served(NOBODY, mode="test", job_ttl_seconds=0.2, reap_interval_seconds=0.05) as service:
        await fetch(page, service.url)
        await expect(page.get_by_text("Inga jobb än.")).to_be_visible()
        await page.reload()
        await expect(page.get_by_role("alert")).to_contain_text("gått ut")


async def test_a_job_that_never_was_is_said_to_be_gone(page: Page, service: Served) -> None:
    """With both reasons that there may be."""
    await page.goto(f"{service.url}#job=0192f0c1-7c1e-7d3a-9d53-0d2f5a3f7c11")
    alert = page.get_by_role("alert")
    await expect(alert.get_by_role("heading")).to_have_text("Jobbet finns inte längre")
    await expect(alert).to_contain_text("startats om")
    await page.get_by_role("button", name="Försök igen").click()
    await expect(page.locator(".result").get_by_role("rowheader")).to_have_count(80)


async def test_a_service_that_is_down_is_told_at_the_start(page: Page, mortal: Service) -> None:
    """Starta on a dead service ends in an alert, and Försök igen works once it is back."""
    await page.goto(mortal.url)
    mortal.kill()
    await page.get_by_role("button", name="Starta").click()
    await expect(page.get_by_role("alert")).to_contain_text("Tjänsten svarar inte")
    mortal.start()
    await page.get_by_role("button", name="Försök igen").click()
    await expect(page.get_by_role("status").first).to_have_text("Hämtar lånen …")


async def test_a_service_that_takes_no_more_says_so(page: Page) -> None:
    """A refused submit shows the service's own sentence."""
    async with served(NOBODY, mode="test", max_running_jobs=1, max_pending_jobs=0) as service:
        await page.goto(service.url)
        await submit(page, service.url)
        await page.get_by_role("button", name="Starta").click()
        await expect(page.get_by_role("alert")).to_contain_text("Jobbet kunde inte startas")


async def test_every_request_has_a_time_limit(page: Page, service: Served) -> None:
    """A service that takes a submit and never answers is given up, by the page's clock."""
    await page.clock.install()
    await page.goto(service.url)
    await page.route("**/api/jobs/fetch-loans", lambda route: None)
    await page.get_by_role("button", name="Starta").click()
    for _ in range(3):
        async with page.expect_event("requestfailed"):
            await page.clock.fast_forward(11_000)
        await page.clock.fast_forward(1_000)
    await expect(page.get_by_role("alert")).to_contain_text("Tjänsten svarar inte")


async def test_text_is_never_taken_for_html(page: Page, service: Served) -> None:
    """A title that looks like HTML is shown as it is, and an address that is a script is no link."""
    name = "<img src=x onerror=alert(1)><b>bold</b>"
    job = await submit(page, service.url, max_pages=1, limit=1)

    async def spoil(route: object) -> None:
        answer = await route.fetch()  # type: ignore[attr-defined]
        body = await answer.json()
        if body["data"] and "loans" in body["data"]:
            body["data"]["loans"][0] |= {"title": name, "url": "javascript:alert(1)", "state": name}
        await route.fulfill(response=answer, json=body)  # type: ignore[attr-defined]

    await page.route(f"**/api/jobs/{job}", spoil)
    await page.add_init_script(
        "window.WebSocket = class { constructor() { setTimeout(() => this.onclose?.()); } close() {} };"
    )
    await page.goto(f"{service.url}#job={job}")
    title = page.locator(".loan-title")
    await expect(title).to_have_text(name)
    assert await title.get_attribute("href") is None
    await expect(page.locator(".result img, .result b b")).to_have_count(0)
