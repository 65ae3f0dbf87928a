"""Reads what a login needs from the site's HTML, in whatever order and quoting it comes."""

from dataclasses import dataclass, field
from html.parser import HTMLParser
from urllib.parse import urljoin, urlsplit

_VOID = frozenset(
    ("area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr")
)

Attributes = list[tuple[str, str | None]]


@dataclass(slots=True)
class Form:
    """A form of a page: where it posts to, and its hidden inputs by name."""

    action: str
    hidden: dict[str, str] = field(default_factory=dict)

    def posts_to(self, page: str, path: str) -> bool:
        """Whether its action, seen from the address `page`, ends in `path`."""
        try:
            target = urlsplit(urljoin(page, self.action)).path
        except ValueError:
            return False
        return target.rstrip("/").endswith(path)


@dataclass(slots=True)
class Page:
    """What is of use in a page of the site."""

    forms: list[Form] = field(default_factory=list)
    csrf_token: str | None = None
    alert: str = ""


def read_html(text: str) -> Page:
    """Reads any text; what is not understood is passed over, nothing is raised."""
    reader = _Reader()
    try:
        reader.feed(text)
        reader.close()
    except AssertionError:  # html.parser's answer to a malformed marked section: keep what came before it
        pass
    return reader.finish()


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self._page = Page()
        self._form: Form | None = None
        self._alert: list[str] = []
        self._alert_depth = 0

    def finish(self) -> Page:
        self._page.alert = " ".join(" ".join(self._alert).split())
        return self._page

    def handle_starttag(self, tag: str, attrs: Attributes) -> None:
        values = {
            name: value or "" for name, value in reversed(attrs)
        }  # of two with one name the first counts
        if tag == "form":
            self._form = Form(values.get("action", ""))
            self._page.forms.append(self._form)
        elif tag == "input":
            self._read_input(values)
        elif tag == "meta":
            self._read_meta(values)
        self._enter(tag, values.get("class", ""))

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self._form = None
        if self._alert_depth and tag not in _VOID:
            self._alert_depth -= 1

    def handle_data(self, data: str) -> None:
        if self._alert_depth:
            self._alert.append(data)

    def _read_input(self, values: dict[str, str]) -> None:
        if self._form is not None and values.get("type", "").lower() == "hidden" and values.get("name"):
            self._form.hidden[values["name"]] = values.get("value", "")

    def _read_meta(self, values: dict[str, str]) -> None:
        if "csrf-token" in values.get("name", "").lower() or values.get("id") == "ezxform_token_js":
            self._page.csrf_token = values.get("content") or self._page.csrf_token

    def _enter(self, tag: str, classes: str) -> None:
        if tag in _VOID:
            return
        if self._alert_depth or "alert-danger" in classes.split():
            self._alert_depth += 1
