"""Tables out of results: CSV and Excel."""

import csv
import io
import json
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from openpyxl import load_workbook
from openpyxl.utils.escape import unescape
from pydantic import BaseModel, Field, HttpUrl

from kameo_async.export import MAX_XLSX_ROWS, Column, TooManyRowsError, columns, file_name, to_csv, to_xlsx
from kameo_async.jobs.document import JsonNumbers

TEXT = (Column("text", "text"),)
LOANS = (
    Column("id", "integer"),
    Column("title", "text"),
    Column("rate", "number"),
    Column("listed", "boolean"),
    Column("opens_at", "date-time"),
    Column("extra", "other"),
)
RESULT = b"""[
    {"id": 1, "title": "Villa p\\u00e5 \\u00d6n; \\"stor\\", ny", "rate": -8.50, "listed": true,
     "opens_at": "2026-01-31T12:00:00Z", "extra": {"a": [1.10, null]}},
    {"id": 2, "title": "=1+1", "rate": null}
]"""
FORMULAS = [
    "=1+1",
    "+1",
    "-1",
    "@SUM(A1)",
    "\t=1",
    "\r=1",
    "\n=1",
    "\0=1",
    "\uff1d1",
    "\uff0b1",
    "\uff0d1",
    "\uff201",
]


def rows() -> Any:
    """Two rows, as a client of the JSON would read them."""
    return json.loads(RESULT, parse_float=Decimal)


def read_csv(data: bytes, delimiter: str = ",") -> list[list[str]]:
    """The cells of a CSV file."""
    return list(
        csv.reader(io.StringIO(data.decode("utf-8-sig"), newline=""), delimiter=delimiter, strict=True)
    )


def sheet(columns: tuple[Column, ...], rows: list[Any], title: str = "Loans") -> Any:
    """The sheet, as another library reads it."""
    return load_workbook(io.BytesIO(to_xlsx(columns, rows, title))).active


class Item(BaseModel):
    number: int
    amount: Decimal | None
    ratio: float | int
    flag: bool | None
    seen_at: datetime | None
    day: datetime | str
    url: HttpUrl
    word: Literal["a", "b"]
    nested: dict[str, int]
    renamed: str = Field(serialization_alias="other-name")


class Table(BaseModel):
    items: list[Item] | None
    words: list[str]
    pages: int


SCHEMA = Table.model_json_schema(mode="serialization", schema_generator=JsonNumbers)


def test_columns_follow_the_model() -> None:
    """Names and kinds come from the schema, through references and past null, in the model's order."""
    assert [(column.name, column.kind) for column in columns(SCHEMA, "items")] == [
        ("number", "integer"),
        ("amount", "number"),
        ("ratio", "number"),
        ("flag", "boolean"),
        ("seen_at", "date-time"),
        ("day", "other"),
        ("url", "text"),
        ("word", "text"),
        ("nested", "other"),
        ("other-name", "text"),
    ]


def test_rows_that_are_no_objects_make_one_column() -> None:
    """A list of words is a table of one column."""
    found = columns(SCHEMA, "words")
    assert found == (Column("words", "text"),)
    assert read_csv(to_csv(found, ["a", "b"])) == [["words"], ["a"], ["b"]]


def test_an_unknown_field_has_no_columns() -> None:
    """A field that the result lacks is an error."""
    with pytest.raises(KeyError):
        columns(SCHEMA, "loans")


def test_csv_without_a_locale() -> None:
    """Commas, decimal points, exact digits, CRLF and a BOM; only texts are made harmless."""
    assert (
        to_csv(LOANS, rows())
        == (
            "\ufeffid,title,rate,listed,opens_at,extra\r\n"
            '1,"Villa på Ön; ""stor"", ny",-8.50,true,2026-01-31T12:00:00Z,"{""a"":[1.10,null]}"\r\n'
            "2,'=1+1,,,,\r\n"
        ).encode()
    )


@pytest.mark.parametrize("locale", ["sv", "da", "no"])
def test_csv_for_the_north(locale: str) -> None:
    """Swedish, Danish and Norwegian Excel get semicolons and decimal commas, in numbers only."""
    assert to_csv(LOANS, rows(), locale).decode("utf-8-sig") == (
        "id;title;rate;listed;opens_at;extra\r\n"
        '1;"Villa på Ön; ""stor"", ny";-8,50;true;2026-01-31T12:00:00Z;"{""a"":[1.10,null]}"\r\n'
        "2;'=1+1;;;;\r\n"
    )


def test_an_unknown_locale_is_refused() -> None:
    """A locale that is not offered is an error that names those that are."""
    with pytest.raises(ValueError, match="Locale must be one of da, no, sv"):
        to_csv(TEXT, [], "de")


@pytest.mark.parametrize("text", FORMULAS)
def test_no_text_is_a_formula_in_csv(text: str) -> None:
    """Whatever a spreadsheet may take for a formula starts with an apostrophe."""
    assert read_csv(to_csv(TEXT, [{"text": text}]))[1] == [f"'{text}"]


@pytest.mark.parametrize(
    ("number", "shown"),
    [
        ("-5", "-5"),
        ("7.50", "7.50"),
        ("1e3", "1000"),
        ("1E-7", "0.0000001"),
        ("0.1", "0.1"),
        ("1e999999", "1E+999999"),
        ("123456789012345678901234567890", "123456789012345678901234567890"),
        ("NaN", ""),
    ],
)
def test_numbers_keep_their_digits_in_csv(number: str, shown: str) -> None:
    """A number is written with its digits, in full where that is bearable, and never with an apostrophe."""
    value = json.loads(number, parse_float=Decimal)
    assert read_csv(to_csv((Column("n", "number"),), [{"n": value}]))[1] == [shown]


@given(st.lists(st.tuples(st.text(), st.text()), max_size=5), st.sampled_from([None, "sv"]))
def test_texts_survive_csv(pairs: list[tuple[str, str]], locale: str | None) -> None:
    """Any texts come back from CSV as they were, but for the apostrophe before a formula."""
    both = (Column("a", "text"), Column("b", "text"))
    data = to_csv(both, [{"a": a, "b": b} for a, b in pairs], locale)
    starts = tuple(text[0] for text in FORMULAS)
    expected = [[f"'{text}" if text.startswith(starts) else text for text in pair] for pair in pairs]
    assert read_csv(data, ";" if locale else ",")[1:] == expected


def test_a_broken_character_does_not_break_the_table() -> None:
    """Half a surrogate pair, which JSON can hold and UTF-8 cannot, becomes a question mark."""
    broken = [{"text": json.loads('"a\\ud800b"')}]
    assert read_csv(to_csv(TEXT, broken))[1] == ["a?b"]
    assert sheet(TEXT, broken)["A2"].value == "a?b"


def test_excel_cells_have_their_types() -> None:
    """Numbers are numbers, times are dates in UTC, booleans are booleans, null is an empty cell."""
    first, second = sheet(LOANS, rows()).iter_rows(min_row=2)
    assert [cell.value for cell in first] == [
        1,
        'Villa på Ön; "stor", ny',
        -8.5,
        True,
        datetime(2026, 1, 31, 12, 0),  # noqa: DTZ001 - Excel has no zones
        '{"a":[1.10,null]}',
    ]
    assert [cell.data_type for cell in first] == ["n", "s", "n", "b", "d", "s"]
    assert [cell.value for cell in second] == [2, "=1+1", None, None, None, None]


def test_excel_times_are_in_utc() -> None:
    """A time with an offset is moved to UTC, and its format says so."""
    cell = sheet((Column("at", "date-time"),), [{"at": "2026-01-31T12:00:00+02:00"}])["A2"]
    assert cell.value == datetime(2026, 1, 31, 10, 0)  # noqa: DTZ001 - Excel has no zones
    assert cell.number_format.endswith('" UTC"')


@pytest.mark.parametrize("text", ["soon", "1754-01-01T00:00:00Z", "0001-01-01T00:00:00+02:00"])
def test_what_excel_has_no_date_for_stays_text(text: str) -> None:
    """A time before Excel's calendar, or none at all, is shown as it came."""
    assert sheet((Column("at", "date-time"),), [{"at": text}])["A2"].value == text


@pytest.mark.parametrize(
    "text",
    [
        *FORMULAS,
        "https://example.org",
        "mailto:a@b",
        "<r>a & b</r>",
        "{=1}",
        "\x01\x1f\ufffe",
        "a\nb",
    ],
)
def test_texts_are_only_texts_in_excel(text: str) -> None:
    """No text becomes a formula, a link or markup, and control characters survive."""
    cell = sheet(TEXT, [{"text": text}])["A2"]
    assert (unescape(cell.value), cell.data_type, cell.hyperlink) == (text, "s", None)


def test_text_that_looks_escaped_stays_itself() -> None:
    """What reads like Excel's own escape of a character is shown as it is."""
    assert sheet(TEXT, [{"text": "_x0041_"}])["A2"].value == "_x0041_"


def test_excel_does_not_round_whole_numbers() -> None:
    """A whole number that Excel could not show in full stays text, as does one beyond all measure."""
    values = [999_999_999_999_999, 1_000_000_000_000_000, Decimal("1e400"), Decimal("1e-400"), Decimal(0)]
    found = sheet((Column("n", "number"),), [{"n": value} for value in values])
    assert [found.cell(line, 1).value for line in range(2, 7)] == [
        999_999_999_999_999,
        "1000000000000000",
        "1E+400",
        "1E-400",
        0,
    ]


def test_excel_head_is_ready_to_use() -> None:
    """The header is bold, stays in sight and filters; columns fit their texts, up to a bound."""
    found = sheet((Column("a", "text"), Column("b", "text")), [{"a": "x" * 20, "b": "y" * 500}])
    assert found["A1"].font.bold
    assert found.freeze_panes == "A2"
    assert found.auto_filter.ref == "A1:B2"
    assert 20 < found.column_dimensions["A"].width < 25
    assert 60 < found.column_dimensions["B"].width < 70


@pytest.mark.parametrize(
    ("title", "name"),
    [("Loans: all/[new]", "Loans  all  new"), ("", "Sheet1"), ("'", "Sheet1"), ("x" * 300, "x" * 31)],
)
def test_any_title_names_a_sheet(title: str, name: str) -> None:
    """A title that Excel would refuse is made to fit."""
    assert sheet(TEXT, [], title).title == name


def test_a_text_longer_than_a_cell_is_cut() -> None:
    """A cell holds 32 767 characters, and a character beyond 16 bits is never halved."""
    value = sheet(TEXT, [{"text": "\U0001f600" * 20_000}])["A2"].value
    assert value == "\U0001f600" * 16_383


def test_more_rows_than_a_sheet_holds_are_refused() -> None:
    """Rows are never dropped without a word."""
    with pytest.raises(TooManyRowsError, match="1048575"):
        to_xlsx(TEXT, [{}] * (MAX_XLSX_ROWS + 1), "Loans")


def test_file_name_has_the_date_in_utc() -> None:
    """The file is named after the kind and the day in UTC."""
    late = datetime(2026, 1, 31, 23, 30, tzinfo=timezone(timedelta(hours=-2)))
    assert file_name("fetch-loans", late, "csv") == "fetch-loans-2026-02-01.csv"
    assert (
        file_name("fetch-loans", datetime(2026, 1, 31, tzinfo=UTC), "xlsx") == "fetch-loans-2026-01-31.xlsx"
    )
