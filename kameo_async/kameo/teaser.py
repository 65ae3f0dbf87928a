"""What a teaser says of the collateral, where it says it beyond doubt.

Kameo's lines are Swedish, Norwegian or Danish, such as "#4711 | Fastigheterna är värderade till totalt SEK
31 000 000". A value is read only where it stands right after the words of a valuation, because a guess
would be worse than none. It is null where the value is approximate, a bound, a range, a hope for later or
a thing of the past, where other amounts stand beside it, and where the currency is missing or another.
"""

import re
from decimal import Decimal
from functools import lru_cache

_FOUR_PLACES = Decimal("0.0001")
_LEAST = 100_000  # less is no property: a scale is missing, as in "värderad till SEK 31"
_MOST = 10**18  # what a field of a loan can hold
_MOST_FRACTION = 2  # more is a misreading: nobody lends twice the value
_LONGEST = 500

_MONEY = r"""(?=[\dMSNDK])(?:\b(?P<before>M?(?:SEK|NOK|DKK)|kr\.?)[ ]?)?
    (?<![\d.,])(?:(?P<grouped>\d{1,3}(?P<gap>[ .])\d{3}(?:(?P=gap)\d{3})*)|(?P<plain>\d{1,15}))
    (?P<decimals>,\d{1,2}|\.\d{1,2})?(?![ .,:']?\d)
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
    (?:{_MONEY})?""",
    re.VERBOSE | re.IGNORECASE,
)
_AMOUNT = re.compile(_MONEY, re.VERBOSE | re.IGNORECASE)

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


@lru_cache(4096)
def collateral_value(teaser: str | None, currency: str | None, amount: Decimal | int) -> Decimal | None:
    """The value of what secures the loan, in whole units of its currency; null when unsure.

    `amount` is the loan's own, which the teaser may mention too.
    """
    if teaser is None or currency is None or len(teaser) > _LONGEST:
        return None
    text = teaser.replace("\u00a0", " ").replace("\u202f", " ")
    found = _VALUED.search(text)
    value = None if found is None else _value(found, currency)
    if found is None or value is None or _NOT_ALL.match(text, found.end()):
        return None
    rest = f"{text[: found.start()]}|{text[found.end() :]}"
    if _is_doubtful(rest) or _has_other(rest, currency, (value, amount)):
        return None
    return Decimal(value) if _LEAST <= value <= _MOST and value * _MOST_FRACTION >= amount > 0 else None


def loan_to_value(amount: Decimal | int, value: Decimal | None) -> Decimal | None:
    """`amount / value` to four places; null without a value."""
    return None if value is None else (amount / value).quantize(_FOUR_PLACES)


def _is_doubtful(text: str) -> bool:
    return not _DOUBTS.isdisjoint(_WORD.findall(text.lower()))


def _has_other(text: str, currency: str, known: tuple[Decimal | int, ...]) -> bool:
    """Whether there is any other amount of money in the text, or one that cannot be read for sure."""
    return _NUMBER.search(text) is not None and any(
        _value(money, currency) not in known
        for money in _AMOUNT.finditer(text)
        if money["before"] or money["after"] or money["scale"]
    )


def _value(money: re.Match[str], currency: str) -> int | None:
    """The amount in whole units of the currency; null where it is none, or not for sure."""
    before, grouped, gap, plain, decimals, scale, after = money.groups()
    factor = _factor(before, scale, after, currency)
    if factor is None or (grouped and factor > 1):  # "1.500 mio": thousands or decimals?
        return None
    if decimals and gap == decimals[0] == ".":
        return None
    places = decimals[1:] if decimals else ""
    number = int((grouped or plain).replace(gap or " ", "") + places)
    value, part = divmod(number * factor, 10 ** len(places))
    return None if part else value


@lru_cache(256)
def _factor(before: str | None, scale: str | None, after: str | None, currency: str) -> int | None:
    """What these words beside a number make of it; null where they do not tell the currency of the loan."""
    scale = (scale or "").lower().rstrip(".")
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
