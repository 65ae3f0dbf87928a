"""How a sandbox is set up, and which faults it shows."""

from dataclasses import dataclass, field
from enum import Enum
from typing import Self

ENDLESS = None


class Fault(Enum):
    """A way to go wrong: its word, how often unless told otherwise (None: always), and what it does."""

    word: str
    default_count: int | None
    description: str

    TOO_MANY_REQUESTS = ("429", 3, "the next API answers are 429 with Retry-After 1")
    UNAVAILABLE = ("503", 2, "the next API answers are 503 with a JSON message")
    BAD_GATEWAY = ("html502", 2, "the next API answers are 502 with an HTML page from nginx")
    HANG = ("hang", ENDLESS, "the API never answers")
    EXPIRE = ("expire", 1, "the session ends after two pages: 401 until the next login")
    BROKEN_LOAN = ("broken-loan", 1, "one row, the fifth of the listing, cannot be read")
    DUPLICATE = (
        "duplicate",
        1,
        "once page 2 starts with the last loan of page 1, and lacks the loan that is due there",
    )
    TRUNCATE = ("truncate", 2, "the next listings end in the middle, short of their Content-Length")
    DRIFT = ("drift", ENDLESS, "`total` is one more on every even page")
    MAINTENANCE = (
        "maintenance",
        ENDLESS,
        "every request, to the site too, is answered 503 with an HTML page",
    )

    def __new__(cls, word: str, default_count: int | None, description: str) -> Self:
        member = object.__new__(cls)
        member._value_ = word
        member.word = word
        member.default_count = default_count
        member.description = description
        return member


@dataclass(frozen=True, slots=True)
class FaultOrder:
    """A fault and how often it happens: answers, or rows for `broken-loan`; None is always."""

    fault: Fault
    count: int | None


def parse_fault(text: str) -> FaultOrder:
    """`503` or `503:2`, the second with a count of its own. Raises ValueError with a sentence for people."""
    word, colon, digits = text.strip().partition(":")
    by_word = {fault.word: fault for fault in Fault}
    fault = by_word.get(word)
    if fault is None:
        raise ValueError(f"{word!r} is no fault; there are {', '.join(by_word)}")
    if not colon:
        return FaultOrder(fault, fault.default_count)
    if not (digits.isascii() and digits.isdigit() and 0 < int(digits[:7]) <= 1_000_000):
        raise ValueError(f"{text!r}: the count is a whole number from 1 to 1000000, as in {word}:2")
    return FaultOrder(fault, int(digits))


@dataclass(frozen=True, slots=True)
class SandboxOptions:
    """A sandbox's account, size, speed and faults.

    `pages` of 12 are filled by the loans in SE and DK. `pace` is how many seconds pass there in one of ours
    (1 is real time, 0 holds still). `latency` is the least and the most seconds of an API call, `rate_limit`
    its requests in each `rate_window` seconds. The site may send a CSRF token or not (`csrf`), and may tell
    of a wrong code in its answer to it or after a redirect (`refuses_inline`); the API may answer in its
    older shape, without paging fields (`old_shape`). Raises ValueError where a number is out of range.
    """

    pages: int = 7
    faults: tuple[FaultOrder, ...] = ()
    pace: float = 1.0
    latency: tuple[float, float] = (0.170, 0.330)
    two_factor: bool = True
    seed: int = 4711
    rate_limit: int = 60
    rate_window: float = 60.0
    csrf: bool = True
    refuses_inline: bool = False
    old_shape: bool = False
    email: str = "lender@sandbox.example"
    password: str = field(default="sandlåda+1&2", repr=False)
    totp_secret: str = field(default="jbsw y3dp ehpk 3pxp", repr=False)

    def __post_init__(self) -> None:
        if not 1 <= self.pages <= 1000:
            raise ValueError("pages must be between 1 and 1000")
        if not 0 <= self.pace <= 1_000_000:
            raise ValueError("pace must be between 0 and 1000000")
        if not 0 <= self.latency[0] <= self.latency[1]:
            raise ValueError("latency must be 0 seconds or more, the lower of two numbers first")
        if self.rate_limit < 1:
            raise ValueError("rate_limit must be at least 1")
        if self.rate_window <= 0:
            raise ValueError("rate_window must be above 0")
