"""For everybody: languages, themes, widths, keyboard, quiet, paper; and what the page promises of itself."""

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from playwright.async_api import Browser, Page, expect

from tests.browser.reader import DESK, PHONE, fetch, open_page, submit
from tests.browser.served import Served

STATIC = Path(__file__).parents[2] / "static"
MAX_PAGE_BYTES = 200_000
DARK = "rgb(16, 20, 21)"


@pytest.mark.parametrize(("locale", "word"), [("en-GB", "Start"), ("de-DE", "Starta")])
async def test_the_first_language_is_the_browsers(
    browser: Browser, service: Served, locale: str, word: str
) -> None:
    """English for those who prefer it, Swedish for everybody else."""
    async with open_page(browser, locale=locale) as page:
        await page.goto(service.url)
        await expect(page.get_by_role("button", name=word, exact=True)).to_be_visible()
        assert await page.evaluate("document.documentElement.lang") == ("en" if word == "Start" else "sv")


async def test_the_language_is_switched_and_remembered(page: Page, service: Served) -> None:
    """Words, numbers and dates change at once, loans and all; a reload keeps it."""
    await fetch(page, service.url)
    await page.get_by_role("button", name="English").click()
    result = page.locator(".result")
    await expect(result.get_by_role("heading", name="80 loans")).to_be_visible()
    await expect(result.get_by_role("columnheader", name="Rate")).to_be_visible()
    await expect(result.locator("#rows")).to_contain_text(re.compile(r"\d,\d{3},\d{3}"))
    await expect(page.get_by_role("button", name="Svenska")).to_be_focused()
    await page.reload()
    await expect(page.get_by_role("button", name="Start", exact=True)).to_be_visible()
    assert "locale=sv" not in (await page.get_by_role("link", name="CSV").get_attribute("href") or "")


async def test_no_swedish_is_left_in_english(browser: Browser, service: Served) -> None:
    """Every text and every accessible name of the page itself is translated."""
    async with open_page(browser, locale="en-GB") as page:
        await page.goto(service.url)
        names = await page.evaluate(
            "[...document.querySelectorAll('[aria-label]')].map((one) => one.ariaLabel).join('\\n')"
        )
        text = names + await page.locator("main").inner_text()
        assert not re.search(r"[åäöÅÄÖ]", text), text


async def test_the_theme_follows_the_system_until_it_is_switched(page: Page, service: Served) -> None:
    """At once, and the switch turns it over whichever it is; a reload keeps what was chosen."""
    background = "getComputedStyle(document.body).backgroundColor"
    await page.goto(service.url)
    assert await page.evaluate(background) != DARK
    await page.emulate_media(color_scheme="dark")
    assert await page.evaluate(background) == DARK
    await page.get_by_role("button", name="Ljust").click()
    assert await page.evaluate(background) != DARK
    await page.emulate_media(color_scheme="light")
    await page.get_by_role("button", name="Mörkt").click()
    await page.reload()
    assert await page.evaluate(background) == DARK
    await expect(page.get_by_role("button", name="Ljust")).to_be_visible()


async def test_nothing_is_wider_than_the_window(page: Page, service: Served) -> None:
    """From 320 px up the page never scrolls sideways, with 80 loans and with long words, which wrap."""
    await fetch(page, service.url)
    await page.evaluate(
        "[...document.querySelectorAll('.loan-title')].forEach((one) => one.append('långt'.repeat(30)))"
    )
    overflow = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
    title = page.locator("#rows th").first
    for width in (1280, 768, 360, 320):
        await page.set_viewport_size({"width": width, "height": 800})
        assert await page.evaluate(overflow) <= 0, width
        await title.scroll_into_view_if_needed()
        assert await title.evaluate("cell => cell.scrollWidth - cell.clientWidth") <= 0, width


async def test_the_flow_by_keyboard_alone(page: Page, service: Served) -> None:
    """Tab to the start, Enter, and on to the loans; the skip link comes first."""
    await page.goto(service.url)
    await page.keyboard.press("Tab")
    await expect(page.get_by_role("link", name="Till innehållet")).to_be_focused()
    for _ in range(5):
        await page.keyboard.press("Tab")
    await page.keyboard.press("Space")
    await expect(page.get_by_role("checkbox", name="NO")).to_be_checked()
    await page.keyboard.press("Tab")
    await expect(page.get_by_role("button", name="Starta")).to_be_focused()
    await page.keyboard.press("Enter")
    await expect(page.locator(".result")).to_be_visible()
    await expect(page.get_by_role("button", name="Starta")).to_be_focused()
    await page.keyboard.press("Tab")
    await expect(page.get_by_role("link", name="CSV")).to_be_focused()


async def test_everything_that_has_the_focus_shows_it(loans: Page) -> None:
    """A visible outline on each control that Tab reaches."""
    outlined = """() => {
      const one = document.activeElement, box = one.closest("label") ?? one;
      return getComputedStyle(box).outlineStyle !== "none" || getComputedStyle(one).outlineStyle !== "none";
    }"""
    for _ in range(25):
        await loans.keyboard.press("Tab")
        assert await loans.evaluate(outlined), await loans.evaluate("document.activeElement.outerHTML")


async def test_only_what_matters_is_announced(page: Page, watchable: Served) -> None:
    """A live region tells the start and the end, not each page and not each second."""
    await page.goto(watchable.url)
    await page.evaluate("""() => {
      window.told = [];
      for (const region of document.querySelectorAll("[role=status], [role=alert], [aria-live]")) {
        new MutationObserver(() => region.textContent && window.told.push(region.textContent))
          .observe(region, { childList: true, subtree: true, characterData: true });
      }
    }""")
    await page.get_by_role("button", name="Starta").click()
    await expect(page.locator(".result")).to_be_visible()
    told = await page.evaluate("window.told")
    assert told[-1] == "Klart: 80 lån."
    assert set(told) <= {"Startar …", "Väntar på sin tur …", "Hämtar lånen …", "Klart: 80 lån."}
    assert len(told) <= 4


async def test_reduced_motion_is_respected(browser: Browser, hanging: Served) -> None:
    """No bar slides and nothing moves by transition for those who asked for that."""
    async with open_page(browser, reduced_motion="reduce") as page:
        job_id = await submit(page, hanging.url)
        await page.goto(f"{hanging.url}#job={job_id}")
        await expect(page.get_by_role("progressbar")).to_be_visible()
        style = "(name) => getComputedStyle(document.getElementById('fill'))[name]"
        assert await page.evaluate(style, "animationName") == "none"
        assert await page.evaluate(style, "transitionProperty") in ("none", "all")
        assert await page.evaluate(style, "transitionDuration") == "0s"
        await page.get_by_role("button", name="Avbryt").click()


async def test_on_paper_there_is_nothing_to_press(loans: Page) -> None:
    """Printing gives the loans in a table, light, without buttons and lists of jobs."""
    await loans.emulate_media(media="print", color_scheme="dark")
    await expect(loans.get_by_role("button", name="Starta")).to_be_hidden()
    await expect(loans.get_by_role("searchbox")).to_be_hidden()
    await expect(loans.get_by_role("heading", name="Alla jobb")).to_be_hidden()
    rows = loans.locator("#rows tr")
    await expect(rows.nth(79)).to_be_visible()
    assert await rows.nth(79).evaluate("row => getComputedStyle(row).contentVisibility") == "visible"
    assert await loans.evaluate("getComputedStyle(document.documentElement).colorScheme") == "light"


async def test_nothing_comes_from_elsewhere_and_nothing_breaks_the_policy(
    page: Page, service: Served
) -> None:
    """Every request goes to the page's own origin, whatever the URL says, and the console stays clean."""
    urls: list[str] = []
    said: list[str] = []
    page.on("request", lambda request: urls.append(request.url))
    page.on("websocket", lambda socket: urls.append(socket.url.replace("ws:", "http:", 1)))
    page.on("console", lambda message: said.append(message.text))
    await page.goto(f"{service.url}?api=http://evil.example&base=http://evil.example#api=http://evil.example")
    await page.get_by_role("button", name="Starta").click()
    await page.locator(".result").wait_for(state="visible")
    await page.get_by_role("group", name="Ränta mot löptid").focus()
    await page.keyboard.press("ArrowRight")
    assert len(urls) > 20
    assert [url for url in urls if not url.startswith(service.url)] == []
    assert said == []


class _Reader(HTMLParser):
    """Collects what index.html loads, and what it must not have."""

    def __init__(self) -> None:
        super().__init__()
        self.preloads: list[str] = []
        self.inline: list[str] = []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        values = dict(attributes)
        if values.get("rel") == "modulepreload":
            self.preloads.append(str(values["href"]))
        if tag == "style" or (tag == "script" and "src" not in values):
            self.inline.append(tag)
        self.inline += [name for name in values if name == "style" or name.startswith("on")]


def _index() -> _Reader:
    reader = _Reader()
    reader.feed((STATIC / "index.html").read_text())
    return reader


def test_the_whole_page_is_light() -> None:
    """All that it loads stays below 200 kB before compression."""
    files = [path for path in STATIC.rglob("*") if path.is_file() and "vendor" not in path.parts]
    own = [path for path in files if not path.name.startswith("docs")]
    assert len(own) > 20
    assert sum(path.stat().st_size for path in own) < MAX_PAGE_BYTES


def test_first_paint_takes_two_steps() -> None:
    """Every module is preloaded by the HTML, so that none waits for another; no stylesheet imports one."""
    modules = {f"/static/{path.name}" for path in STATIC.glob("*.js")} - {
        "/static/theme.js",
        "/static/docs.js",
    }
    assert set(_index().preloads) == modules - {"/static/app.js"}
    assert all("@import" not in path.read_text() for path in STATIC.glob("*.css"))


def test_the_page_has_no_inline_script_or_style() -> None:
    """Nothing in the HTML needs an exception from the policy, and no script writes HTML."""
    assert _index().inline == []
    for path in STATIC.glob("*.js"):
        assert not re.search(
            r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(", path.read_text()
        ), path


def test_no_file_is_long() -> None:
    """One job per file."""
    for path in [*STATIC.glob("*.js"), *STATIC.glob("*.css")]:
        assert len(path.read_text().splitlines()) < 300, path


async def test_both_widths_are_what_the_tests_think(loans: Page) -> None:
    """At a desk the header of the loans is a row, on a phone it is a strip of buttons to sort by."""
    header = loans.locator("#table thead tr")
    for viewport, display in ((DESK, "grid"), (PHONE, "flex")):
        await loans.set_viewport_size(viewport)
        assert await header.evaluate("row => getComputedStyle(row).display") == display
