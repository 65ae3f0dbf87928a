"""The value of the collateral, as teasers tell it: Swedish, Norwegian, Danish; null when unsure."""

from decimal import Decimal
from typing import Any, NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kameo_async.kameo.teaser import collateral_value, loan_to_value

AMOUNT = Decimal(12_500_000)


class Words(NamedTuple):
    """How a language says it."""

    currency: str
    valued: tuple[str, ...]
    totals: tuple[str, ...]
    million: tuple[str, ...]
    crowns: str
    negation: str
    later: str
    about: tuple[str, ...]


SWEDISH = Words(
    "SEK",
    ("Fastigheten är värderad till", "Fastigheterna är värderade till", "pant i ett hus värderat till"),
    ("", "totalt ", "sammanlagt ", "tillsammans "),
    ("miljoner", "miljon", "mkr"),
    "kronor",
    "Fastigheten är inte",
    "efter färdigställande",
    ("ca ", "cirka ", "minst ", "upp till ", "över ", "knappt "),
)
NORWEGIAN = Words(
    "NOK",
    ("Eiendommen er verdsatt til", "Eiendommene er verdsatt til", "Boligen er taksert til"),
    ("", "totalt ", "samlet "),
    ("millioner", "mill.", "mill"),
    "kroner",
    "Eiendommen er ikke",
    "etter ferdigstillelse",
    ("ca. ", "omtrent ", "minst ", "opp til ", "over ", "nesten "),
)
DANISH = Words(
    "DKK",
    ("Ejendommen er vurderet til", "Ejendommene er vurderet til", "pant i ejendom vurderet til"),
    ("", "i alt ", "samlet "),
    ("millioner", "mio.", "mio"),
    "kr.",
    "Ejendommen er ikke",
    "når den er færdig",
    ("ca. ", "cirka ", "mindst ", "op til ", "over ", "knap "),
)
LANGUAGES = (SWEDISH, NORWEGIAN, DANISH)


class Said(NamedTuple):
    """A teaser in parts, and the value that it tells."""

    words: Words
    before: str
    valued: str
    amount: str
    value: Decimal

    @property
    def text(self) -> str:
        return f"{self.before}{self.valued} {self.amount}"


def grouped(number: int, separator: str) -> str:
    """31 000 000."""
    return f"{number:,}".replace(",", separator)


@st.composite
def said(draw: st.DrawFn) -> Said:
    """Any plain way to tell a value."""
    words = draw(st.sampled_from(LANGUAGES))
    value = draw(st.integers(70, 9_999)) * 100_000
    separator = draw(st.sampled_from((" ", "\u00a0", "\u202f", ".")))
    millions = f"{value / 1_000_000:.10g}".replace(".", draw(st.sampled_from((",", "."))))
    scale = draw(st.sampled_from(words.million))
    ways = (
        f"{words.currency} {grouped(value, separator)}",
        f"{grouped(value, separator)} {words.currency}",
        f"{grouped(value, separator)} kr",
        f"kr {grouped(value, separator)}",
        f"{value} {words.crowns}",
        f"{millions} M{words.currency}",
        f"{words.currency} {millions} {scale}",
        f"{millions} {scale} {words.crowns}",
    )
    before = draw(
        st.sampled_from(
            ("", "#4711 | ", "#9 | Lån 2 av 3. ", "#12 | A-, ", f"#1 | {words.currency} 12500000, ")
        )
    )
    valued = f"{draw(st.sampled_from(words.valued))} {draw(st.sampled_from(words.totals))}".rstrip()
    return Said(words, before, valued, draw(st.sampled_from(ways)), Decimal(value))


def read(text: str, words: Words, amount: Any = AMOUNT) -> Decimal | None:
    """The value as read for a loan in the language's currency."""
    return collateral_value(text, words.currency, amount)


RANGES = ("-", " - ", "\u2013", " till ", " til ", "/")
ENDS = ("", ".", ", byggstarten är gjord", " enligt en extern värdering", "; 60 % er solgt", " (2025)")


@settings(deadline=None)
@given(said(), st.sampled_from(ENDS), st.sampled_from((str, str.upper, str.lower)))
def test_a_plain_value_is_read(one: Said, end: str, case: Any) -> None:
    """Whatever the language, the grouping, the scale and the place of the currency."""
    assert read(case(one.text) + end, one.words) == one.value


@settings(deadline=None)
@given(said(), st.data())
def test_a_doubtful_value_is_not_read(one: Said, data: st.DataObject) -> None:
    """Approximate, bounded, ranged, later, denied, for each, several, or of another currency: null."""
    words = one.words
    about = data.draw(st.sampled_from(words.about))
    other = next(language.currency for language in LANGUAGES if language is not words)
    doubtful = (
        f"{one.before}{one.valued} {about}{one.amount}",
        f"{one.text} {words.later}",
        f"{words.negation} {one.valued.split(' ', 2)[2]} {one.amount}",
        f"{one.text}{data.draw(st.sampled_from(RANGES))}99 000 000",
        f"{one.text} per lägenhet",
        f"{one.text} och 9 900 000",
        f"{one.text}, tomten till {words.currency} 9 900 000",
        f"{words.currency} 9 900 000 i lån. {one.text}",
        f"{one.text} %",
        f"{one.before}{one.valued} 31 000 000",
        f"{one.before}{one.valued} {other} 31 000 000",
    )
    assert read(data.draw(st.sampled_from(doubtful)), words) is None


@settings(deadline=None)
@given(st.text(alphabet="värdeatil SEKNOKDKK0123456789 .,|#%-\u00a0krmiojner", max_size=120), said())
def test_any_text_is_read_without_harm(noise: str, one: Said) -> None:
    """Nonsense gives null or a number in bounds, never an error."""
    for text in (noise, f"{noise} {one.text}", f"{one.text}{noise}"):
        value = read(text, one.words)
        assert value is None or 100_000 <= value <= 10**18


@pytest.mark.parametrize(
    ("teaser", "currency", "value"),
    [
        ("#4711 | Fastigheterna är värderade till totalt SEK 31 000 000", "SEK", 31_000_000),
        ("Ejendommene er vurderet til i alt DKK 31.000.000", "DKK", 31_000_000),
        ("Marknadsvärdet är 31,5 miljoner kronor", "SEK", 31_500_000),
        ("Markedsverdien er NOK 31 500 000", "NOK", 31_500_000),
        ("värderad till 31500 tkr", "SEK", 31_500_000),
        ("Belåningsgraden uppgår till 60 % av marknadsvärdet", "SEK", None),
        ("värderad till SEK 31", "SEK", None),
        ("värderad till SEK 31,000,000", "SEK", None),
        ("värderad till SEK 31 0000", "SEK", None),
        ("värderad till 1.500 MSEK", "SEK", None),
        ("värderad till 31 mkr MSEK", "SEK", None),
        ("vurderet til 31 mio. kroner", "SEK", None),
        ("Fastigheten såldes för SEK 31 000 000", "SEK", None),
        ("Fastigheterna är värderade till SEK 31 000 000 vardera", "SEK", None),
        ("Fastigheten var värderad till SEK 31 000 000", "SEK", None),
        ("värderad till SEK 5 000 000", "SEK", None),
        ("värderad till SEK 31 000 000" + "." * 500, "SEK", None),
        ("värderad till SEK 1 000 000 000 000 000 001", "SEK", None),
        ("värderad till SEK 1" + " 000" * 10, "SEK", None),
        ("#4711 SEK | värderad till SEK 31 000 000", "SEK", 31_000_000),
        ("SEK 12 500 000 söks, värderad till SEK 31 000 000", "SEK", 31_000_000),
        ("SEK 12 500 001 söks, värderad till SEK 31 000 000", "SEK", None),
        ("värderad till SEK 31 000 000,00", "SEK", 31_000_000),
        ("värderad till SEK 31 000 000,50", "SEK", None),
        ("SEK 1" + " 000" * 10 + " söks, värderad till SEK 31 000 000", "SEK", None),
        ("värderad till 31 000 000,05 mkr", "SEK", None),
        ("värderad till SEK 31 000 000", None, None),
        (None, "SEK", None),
        ("", "SEK", None),
    ],
)
def test_examples(teaser: str | None, currency: str | None, value: int | None) -> None:
    """Lines as they are written, and as they might be misread."""
    assert collateral_value(teaser, currency, AMOUNT) == value


def test_loan_to_value() -> None:
    """A fraction of four places; null without a value."""
    assert str(loan_to_value(AMOUNT, Decimal(31_000_000))) == "0.4032"
    assert str(loan_to_value(AMOUNT, Decimal(12_500_000))) == "1.0000"
    assert loan_to_value(AMOUNT, None) is None
