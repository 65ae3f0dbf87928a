"""The page's pure modules, tried in the browser that they are for: each case of `units/` is a test here."""

import mimetypes
import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, Route

UNITS = Path(__file__).parent / "units"
STATIC = Path(__file__).parents[2] / "static"
ORIGIN = "http://page.test"
RUN = """async ([file, name]) => {
  await import(`/units/${file}`);
  const { cases } = await import("/units/check.js");
  await cases.get(name)();
}"""

CASES = [
    pytest.param(path.name, name, id=f"{path.name.removesuffix('.test.js')}: {name}")
    for path in sorted(UNITS.glob("*.test.js"))
    for name in re.findall(r'^test\("(.+?)", ', path.read_text(), re.MULTILINE)
]


async def _serve(route: Route) -> None:
    folder, _, name = route.request.url.removeprefix(f"{ORIGIN}/").partition("/")
    path = {"static": STATIC, "units": UNITS}.get(folder, UNITS) / name
    if not folder:
        await route.fulfill(body="<!doctype html><title>units</title>", content_type="text/html")
    elif path.is_file():
        kind = mimetypes.guess_type(name)[0] or "text/plain"
        await route.fulfill(body=path.read_bytes(), content_type=kind)
    else:
        await route.fulfill(status=404)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def bench(browser: Browser) -> AsyncIterator[Page]:
    """An empty page that can import the modules, with no service behind it."""
    context = await browser.new_context(locale="sv-SE", timezone_id="Asia/Tokyo")
    page = await context.new_page()
    await page.route("**", _serve)
    await page.goto(f"{ORIGIN}/")
    yield page
    await context.close()


@pytest.mark.parametrize(("file", "name"), CASES)
async def test_unit(bench: Page, file: str, name: str) -> None:
    """A case of the page's pure modules holds."""
    await bench.evaluate(RUN, [file, name])


def test_every_case_is_collected() -> None:
    """No case in `units/` is written so that it would not be run."""
    written = sum(
        len(re.findall(r"^\s*test\(", path.read_text(), re.MULTILINE)) for path in UNITS.glob("*.test.js")
    )
    assert len(CASES) == written > 60
