"""What a teaser says of the collateral, where it says it beyond doubt.

Kameo's lines are Swedish, Norwegian or Danish, such as "#4711 | Fastigheterna är värderade till totalt SEK
31 000 000". A value is read only where it stands right after the words of a valuation, because a guess
would be worse than none. It is null where the value is approximate, a bound, a range, a hope for later or
a thing of the past, where other amounts stand beside it, and where the currency is missing or another.
"""

import re
from collections.abc import Iterator
from decimal import Decimal
from functools import lru_cache
from typing import NamedTuple

_FOUR_PLACES = Decimal("0.0001")
_LEAST = 100_000  # less is no property: a scale is missing, as in "värderad till SEK 31"
_MOST = 10**18  # what a field of a loan can hold
_MOST_FRACTION = 2  # more is a misreading: nobody lends twice the value
_LONGEST = 500
_ZEROS = bytes.maketrans(b"123456789", b"0" * 9)

_AMOUNT = r"""(?=[\dMSNDK])(?:\b(?P<before>M?(?:SEK|NOK|DKK)|kr\.?)[ ]?)?
    (?<![\d.,])(?P<number>(?:\d{1,3}(?P<gap>[ .])\d{3}(?:(?P=gap)\d{3})*|\d{1,15})
    (?P<decimals>,\d{1,2}|\.\d{1,2})?)(?![ .,:']?\d)
    (?:[ ]?(?P<scale>miljoner|millioner|miljon|million|mill\.?|milj\.?|mio\.?|mkr|tkr)(?!\w))?
    (?:[ ]?(?P<after>M?(?:SEK|NOK|DKK)|kronor|kroner|kr\.?)(?!\w))?"""

# The first letter stands before all else, so that most of a text is passed over without a try.
_VALUED = re.compile(
    rf"""(?-i:[vVtTmM])(?<!\w.)(?:
        (?<=v)(?:ärdera(?:d|t|de|ts|des)|erdsatt|urder(?:et|t|ede)|ærdisat(?:te)?)[ ]till?
      | (?<=t)aksert[ ]till?
      | (?<=m)ark(?:nadsvärdet?|edsverdien?|edsværdien?)[ ](?:på|om|är|er|uppgår[ ]till|utgjør|udgør)
    )
    (?:[ ](?:totalt|sammanlagt|tillsammans|samlet|sammenlagt|tilsammen|i[ ]alt))?[ ]
    (?:{_AMOUNT})?""",
    re.VERBOSE | re.IGNORECASE,
)
_MONEY = re.compile(_AMOUNT, re.VERBOSE | re.IGNORECASE)

# Not, not any more, not yet, perhaps, about, each: whole words, or the first six letters of longer ones.
_DOUBTS = frozenset(
    word
    for line in (
        "inte ej icke ikke aldrig aldri utan uten uden",
        "var tidiga tidlig förr før",
        "efter etter när når färdig ferdig færdig kommer komman framti fremti planer planla skulle kan kunne",
        "förvän forven beräkn beregn prelim forelø uppska anslå anslås anslag estime",
        "ca cirka circa omkrin ungefä omtren eller varder respek hver hvert",
    )
    for word in line.split()
)
_WORD = re.compile(r"([^\W\d_]{1,6})[^\W\d_]*")

_NUMBER = re.compile(r"\d(?<![#\d]\d)")  # but for the loan's own, "#4711"

# A range, a share, a price for each of something, or more to come.
_NOT_ALL = re.compile(
    r"""[ ]?[-\u2013\u2014/+%\u00b1\u00d7] | [ ](?:per|pr|till?|upp|opp|op)\b
    | [ ](?:och|og|samt)[ ](?:\w{1,3}[ ])?\d""",
    re.VERBOSE | re.IGNORECASE,
)

_CURRENCIES = {
    "kr": None,
    "kr.": None,
    "mkr": None,
    "tkr": None,
    "kronor": ("SEK",),
    "kroner": ("NOK", "DKK"),
}


class _Amount(NamedTuple):
    """Where an amount stands in a text, and what makes whole units of the currency of its digits."""

    start: int
    end: int
    factor: int
    divisor: int

    def read(self, text: str) -> int | None:
        """Null where it is no whole number."""
        start, end, factor, divisor = self
        digits = text[start:end].replace(" ", "").replace(".", "").replace(",", "")
        value, part = divmod(int(digits) * factor, divisor)
        return None if part else value


class Told(NamedTuple):
    """The value that a teaser tells, and all other amounts in it; null for one that is not sure."""

    value: _Amount
    others: tuple[_Amount | None, ...]


@lru_cache(4096)
def collateral_value(teaser: str | None, currency: str | None, amount: Decimal | int) -> Decimal | None:
    """The value of what secures the loan, in whole units of its currency; null when unsure.

    `amount` is the loan's own, which the teaser may mention too.
    """
    if teaser is None or currency is None or len(teaser) > _LONGEST:
        return None
    text = teaser.replace("\u00a0", " ").replace("\u202f", " ")
    told = told_by(text.encode("utf-8", "surrogatepass").translate(_ZEROS), currency)
    value = told and told.value.read(text)
    if not (told and value and _LEAST <= value <= _MOST and value * _MOST_FRACTION >= amount > 0):
        return None
    if told.others and any((other and other.read(text)) not in (value, amount) for other in told.others):
        return None
    return Decimal(value)


@lru_cache(1024)
def told_by(shape: bytes, currency: str) -> Told | None:
    """What a teaser of this shape tells beyond doubt; the shape is its UTF-8 with zeros for digits.

    Words decide, and where digits stand, but not which. Kameo says the same of loan after loan, so that most
    teasers that are new are so by their numbers alone: they take a fifth of the time.
    """
    text = shape.decode("utf-8", "surrogatepass")
    found = _VALUED.search(text)
    value = found and _amount(found, currency)
    if not (found and value) or _NOT_ALL.match(text, found.end()):
        return None
    rest = f"{text[: found.start()]}{'|' * len(found[0])}{text[found.end() :]}"
    return None if _is_doubtful(rest) else Told(value, tuple(_amounts(rest, currency)))


def loan_to_value(amount: Decimal | int, value: Decimal | None) -> Decimal | None:
    """`amount / value` to four places; null without a value."""
    return None if value is None else (amount / value).quantize(_FOUR_PLACES)


def _is_doubtful(text: str) -> bool:
    return not _DOUBTS.isdisjoint(_WORD.findall(text.lower()))


def _amounts(text: str, currency: str) -> Iterator[_Amount | None]:
    """Every amount of money in the text; null for one that cannot be read for sure."""
    for money in _MONEY.finditer(text) if _NUMBER.search(text) else ():
        if money["before"] or money["after"] or money["scale"]:
            yield _amount(money, currency)


def _amount(money: re.Match[str], currency: str) -> _Amount | None:
    before, _, gap, decimals, scale, after = money.groups("")
    factor = _factor(before, scale, after, currency)
    if factor is None or (gap and factor > 1) or gap == "." == decimals[:1]:
        return None  # "1.500 mio": thousands or decimals?
    return _Amount(*money.span("number"), factor, 10 ** len(decimals[1:]))


@lru_cache(256)
def _factor(before: str, scale: str, after: str, currency: str) -> int | None:
    """What these words beside a number make of it; null where they do not tell the currency of the loan."""
    scale = scale.lower().rstrip(".")
    words = [word for word in (before, after) if word]
    marks = [*words, *([scale] if scale in _CURRENCIES else [])]
    if not marks or not all(_fits(mark, currency) for mark in marks):
        return None
    millions = sum(word.upper() in ("MSEK", "MNOK", "MDKK") for word in words) + bool(scale)
    if millions > 1:
        return None
    return 1000 if scale == "tkr" else 1_000_000 if millions else 1


def _fits(mark: str, currency: str) -> bool:
    """Whether a word for money can mean the loan's currency; "kr" can mean each of the three."""
    known = _CURRENCIES.get(mark.lower(), (mark.upper().removeprefix("M"),))
    return known is None or currency in known
