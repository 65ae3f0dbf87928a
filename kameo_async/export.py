"""The rows of a result as a table: CSV and Excel, for any kind whose result has rows.

The columns come from the JSON Schema of the result, the rows from its JSON, read with
`json.loads(result, parse_float=Decimal)` so that numbers keep their digits.
"""

import csv
import io
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Literal

import xlsxwriter

ColumnKind = Literal["integer", "number", "boolean", "date-time", "date", "text", "other"]
Schema = Mapping[str, Any]

# Locales whose spreadsheets read a comma as the decimal point, and therefore a semicolon between cells.
LOCALES = frozenset({"sv", "da", "no"})

# Excel's own limits: rows below the header, UTF-16 units in a cell, and in a sheet's name and title.
MAX_XLSX_ROWS = 1_048_575
_MAX_CELL = 32_767
_MAX_SHEET_NAME = 31
_MAX_PROPERTY = 255

_BOM = "\ufeff"
_WIDEST = 60
_FILTER_ARROW = 3
_TIME_FORMAT = 'yyyy-mm-dd hh:mm:ss" UTC"'
_DATE_FORMAT = "yyyy-mm-dd"
_FIRST_YEAR = 1900
_EXACT_DIGITS = 15
_PLAIN_EXPONENT = 40

# What spreadsheets may take for the start of a formula (OWASP, "CSV Injection"; ASVS 1.2.10 adds NUL);
# the last four are the full-width = + - @.
_FORMULA_STARTS = tuple("=+-@\t\r\n\0\uff1d\uff0b\uff0d\uff20")
_KINDS: Mapping[object, ColumnKind] = {
    "integer": "integer",
    "number": "number",
    "boolean": "boolean",
    "string": "text",
}


class TooManyRowsError(ValueError):
    """More rows than a sheet can hold (1 048 575 below the header)."""


@dataclass(frozen=True, slots=True)
class Column:
    """A column: the name of the field, which is also its heading, and what its cells are."""

    name: str
    kind: ColumnKind


def columns(result_schema: Schema, field: str) -> tuple[Column, ...]:
    """The columns of the rows in `field`, in the model's order.

    `result_schema` is the JSON Schema of the result in serialization mode. Rows that are no objects make
    one column named after the field. Raises KeyError where the result has no such field.
    """
    items = _items(result_schema, field)
    shapes = [shape for one in items for shape in _options(one, result_schema)]
    cells = {name: cell for shape in shapes for name, cell in shape.get("properties", {}).items()}
    if not cells:
        return (Column(field, _one_kind(shapes)),)
    return tuple(Column(name, _one_kind(_options(cell, result_schema))) for name, cell in cells.items())


def holds_rows(result_schema: Schema, field: str) -> bool:
    """Whether `field` of the result is an array, or null."""
    return field in result_schema["properties"] and bool(_items(result_schema, field))


def _items(result_schema: Schema, field: str) -> list[Schema]:
    """What the rows may be."""
    options = _options(result_schema["properties"][field], result_schema)
    return [one["items"] for one in options if "items" in one]


def to_csv(columns: Sequence[Column], rows: Iterable[Any], locale: str | None = None) -> bytes:
    """The table as CSV (RFC 4180), in UTF-8 with a BOM, so that Excel shows å.

    With a locale of `LOCALES` semicolons and decimal commas, else commas and decimal points. A text that a
    spreadsheet could take for a formula gets an apostrophe in front; a number never does. Raises
    ValueError for another locale.
    """
    if locale is not None and locale not in LOCALES:
        raise ValueError(f"Locale must be one of {', '.join(sorted(LOCALES))}")
    point = "." if locale is None else ","
    file = io.StringIO()
    writer = csv.writer(file, delimiter="," if locale is None else ";", lineterminator="\r\n")
    writer.writerow([_harmless(column.name) for column in columns])
    writer.writerows([_csv_cell(value, point) for value in _values(columns, row)] for row in rows)
    return (_BOM + file.getvalue()).encode("utf-8", "replace")


def to_xlsx(columns: Sequence[Column], rows: Sequence[Any], title: str) -> bytes:
    """The table as an Excel workbook of one sheet named `title`.

    Numbers are numbers, times are dates in UTC, texts are never formulas or links. A whole number of more
    than 15 digits, which Excel would round, stays text. Raises TooManyRowsError.
    """
    if len(rows) > MAX_XLSX_ROWS:
        raise TooManyRowsError(f"An Excel sheet holds {MAX_XLSX_ROWS} rows, and there are {len(rows)}")
    file = io.BytesIO()
    with xlsxwriter.Workbook(file, {"in_memory": True}) as workbook:
        workbook.set_properties({"title": _xlsx_text(title, _MAX_PROPERTY)})
        _Sheet(workbook, title).write(columns, rows)
    return file.getvalue()


def file_name(kind: str, when: datetime, extension: str) -> str:
    """A name to save under, as `fetch-loans-2026-01-31.csv`; the date is that of `when` in UTC."""
    return f"{kind}-{when.astimezone(UTC).date().isoformat()}.{extension}"


def _options(schema: Schema, root: Schema) -> list[Schema]:
    """What a value may be: references followed, alternatives side by side, null left out."""
    while "$ref" in schema:
        schema = root["$defs"][schema["$ref"].rpartition("/")[2]]
    for word in ("anyOf", "oneOf", "allOf"):
        if word in schema:
            return [option for one in schema[word] for option in _options(one, root)]
    return [] if schema.get("type") == "null" else [schema]


def _one_kind(options: Sequence[Schema]) -> ColumnKind:
    kinds = {_kind(option) for option in options}
    if kinds == {"integer", "number"}:
        return "number"
    return kinds.pop() if len(kinds) == 1 else "other"


def _kind(schema: Schema) -> ColumnKind:
    shape = schema.get("format")
    if schema.get("type") == "string" and shape in ("date-time", "date"):
        return "date" if shape == "date" else "date-time"
    return _KINDS.get(schema.get("type"), "other")


def _values(columns: Sequence[Column], row: Any) -> Iterator[Any]:
    return (row.get(column.name) if isinstance(row, Mapping) else row for column in columns)


def _csv_cell(value: Any, point: str) -> str:
    if isinstance(value, str):
        return _harmless(value)
    if _is_number(value):
        return _digits(value).replace(".", point)
    return "" if value is None else _json(value)


def _harmless(text: str) -> str:
    return f"'{text}" if text.startswith(_FORMULA_STARTS) else text


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float | Decimal) and not isinstance(value, bool)


def _digits(value: float | Decimal) -> str:
    """All digits of a number, in full where that is bearable; nothing for what is no number (NaN)."""
    number = Decimal(str(value))
    if not number.is_finite():
        return ""
    return format(number, "f") if abs(number.adjusted()) < _PLAIN_EXPONENT else str(number)


def _json(value: Any) -> str:
    """Compact JSON in which decimals keep their digits, which `json.dumps` cannot do."""
    if isinstance(value, Mapping):
        return f"{{{','.join(f'{_json(str(name))}:{_json(one)}' for name, one in value.items())}}}"
    if isinstance(value, list | tuple):
        return f"[{','.join(map(_json, value))}]"
    if _is_number(value):
        return _digits(value) or "null"
    return json.dumps(value, ensure_ascii=False)


class _Sheet:
    """One sheet while it is written, and how wide each column has become.

    Every cell is written by a method for its type: the general `write` would guess formulas and links.
    """

    def __init__(self, workbook: Any, title: str) -> None:
        self._sheet = workbook.add_worksheet(_sheet_name(title))
        self._bold = workbook.add_format({"bold": True})
        self._plain = workbook.add_format()
        self._formats = {
            "date-time": workbook.add_format({"num_format": _TIME_FORMAT, "align": "left"}),
            "date": workbook.add_format({"num_format": _DATE_FORMAT, "align": "left"}),
        }
        self._widths: dict[int, int] = {}

    def write(self, columns: Sequence[Column], rows: Sequence[Any]) -> None:
        for place, column in enumerate(columns):
            self._text(0, place, column.name, self._bold)
            self._widen(place, len(column.name) + _FILTER_ARROW)
        for line, row in enumerate(rows, 1):
            for place, value in enumerate(_values(columns, row)):
                self._cell(line, place, value, columns[place].kind)
        self._sheet.freeze_panes(1, 0)
        self._sheet.autofilter(0, 0, len(rows), max(len(columns) - 1, 0))
        for place, width in self._widths.items():
            self._sheet.set_column(place, place, min(width, _WIDEST) + 1)

    def _cell(self, line: int, place: int, value: Any, kind: ColumnKind) -> None:
        if isinstance(value, bool):
            self._sheet.write_boolean(line, place, value)
        elif _is_number(value):
            self._number(line, place, value)
        elif isinstance(value, str):
            self._time_or_text(line, place, value, kind)
        elif value is not None:
            self._text(line, place, _json(value))

    def _number(self, line: int, place: int, value: float | Decimal) -> None:
        digits = _digits(value)
        self._widen(place, len(digits))
        if (isinstance(value, int) and abs(value) >= 10**_EXACT_DIGITS) or not _fits(value):
            self._text(line, place, digits)
        else:
            self._sheet.write_number(line, place, value)

    def _time_or_text(self, line: int, place: int, value: str, kind: ColumnKind) -> None:
        time = _time(value) if kind in self._formats else None
        if time is None:
            self._text(line, place, value)
        else:
            self._sheet.write_datetime(line, place, time, self._formats[kind])
            self._widen(place, len("2026-01-31 12:00:00 UTC" if kind == "date-time" else "2026-01-31"))

    def _text(self, line: int, place: int, value: str, style: Any = None) -> None:
        text = _xlsx_text(value)
        self._widen(place, max(map(len, text.splitlines()), default=0))
        if text.startswith("<r>") and text.endswith("</r>"):
            # The library takes such a text for finished XML and would write it unescaped.
            self._sheet.write_rich_string(line, place, text[:1], self._plain, text[1:])
        else:
            self._sheet.write_string(line, place, text, style)

    def _widen(self, place: int, width: int) -> None:
        self._widths[place] = max(width, self._widths.get(place, 0))


def _fits(value: float | Decimal) -> bool:
    """Whether a double holds it: finite, and not so small that it would become 0."""
    try:
        number = float(value)
    except OverflowError:
        return False
    return abs(number) not in (float("inf"), 0.0) if value else True


def _time(text: str) -> datetime | None:
    """The time in UTC without a zone, as Excel has it; nothing where Excel's calendar has not begun."""
    try:
        time = datetime.fromisoformat(text)
        time = time if time.tzinfo is None else time.astimezone(UTC).replace(tzinfo=None)
    except (ValueError, OverflowError):
        return None
    return time if time.year >= _FIRST_YEAR else None


def _xlsx_text(text: str, units: int = _MAX_CELL) -> str:
    """Whole characters, in at most so many UTF-16 units. Control characters the library escapes itself."""
    return text.encode("utf-16-le", "replace")[: 2 * units].decode("utf-16-le", "ignore")


def _sheet_name(title: str) -> str:
    name = _xlsx_text(re.sub(r"[\[\]:*?/\\\x00-\x1f]", " ", title), _MAX_SHEET_NAME).strip("' ")
    return "Sheet1" if name.lower() in ("", "history") else name
