"""In which form a result is wanted: `?format=`, else `Accept` (RFC 9110 section 12.5.1)."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from aiohttp import hdrs, web

from kameo_async.jobs.errors import InvalidParamsError, ParamProblem
from kameo_async.web.problems import HttpError
from kameo_async.web.query import single

LOCALES = ("sv", "da", "no")
_QUALITY = re.compile(r"0(\.[0-9]{0,3})?|1(\.0{0,3})?")


@dataclass(frozen=True, slots=True)
class Format:
    """A form of a result; `is_download` when it comes with a file name."""

    extension: str
    mime: str
    is_download: bool = True
    locale: str | None = None

    @property
    def is_json(self) -> bool:
        return self.extension == "json"


JSON = Format("json", "application/json")
CSV = Format("csv", "text/csv; charset=utf-8")
XLSX = Format("xlsx", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet")
FORMATS = {each.extension: each for each in (JSON, CSV, XLSX)}


def wanted_format(request: web.Request, *, is_table: bool) -> Format:
    """One of the forms that there are, JSON alone of what is no table.

    Raises HttpError 406, or InvalidParamsError for a locale that there is none of.
    """
    values = single(request.query, {"format", "locale"})
    locale = values.get("locale")
    if locale is not None and locale not in LOCALES:
        raise InvalidParamsError([ParamProblem("locale", f"Locale must be one of {', '.join(LOCALES)}")])
    forms = FORMATS if is_table else {JSON.extension: JSON}
    if "format" not in values:
        return replace(_accepted(",".join(request.headers.getall(hdrs.ACCEPT, ())), forms), locale=locale)
    if values["format"] not in forms:
        raise HttpError(406, f"The result comes as {', '.join(forms)}")
    return replace(forms[values["format"]], locale=locale)


def _accepted(header: str, forms: Mapping[str, Format]) -> Format:
    """The first of the forms among those that the client likes best."""
    ranges = [_range(part) for part in header.split(",") if part.strip()] or [("*/*", 1.0)]
    qualities = {form.extension: _quality(ranges, form.mime.partition(";")[0]) for form in forms.values()}
    best = max(qualities, key=lambda extension: qualities[extension])
    if qualities[best] <= 0:
        raise HttpError(406, f"The result comes as {', '.join(form.mime for form in forms.values())}")
    return replace(forms[best], is_download=best != "json")


def _quality(ranges: Sequence[tuple[str, float]], mime: str) -> float:
    """What the most specific range that matches says of `mime`."""
    for pattern in (mime, f"{mime.partition('/')[0]}/*", "*/*"):
        found = [quality for name, quality in ranges if name == pattern]
        if found:
            return max(found)
    return 0.0


def _range(part: str) -> tuple[str, float]:
    name, *parameters = (piece.strip().lower() for piece in part.split(";"))
    for parameter in parameters:
        key, _, value = parameter.partition("=")
        if key.strip() == "q":
            return name, float(value) if _QUALITY.fullmatch(value.strip()) else 0.0
    return name, 1.0
