"""What is remembered of a loan, and what differs between two fetches."""

from collections.abc import Collection, Iterator, Mapping
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple

from pydantic import BaseModel, ConfigDict, Field

from kameo_async.kameo.loan import Loan


class Seen(NamedTuple):
    """What is remembered of a loan: what a lender decides by, as Kameo sent it.

    Left out are what never changes (id, currency), what follows from the rest (`funded_fraction`, `country`),
    what is the account's own (`my_bid_amount`) and what has no meaning that we know of (`is_listed`).
    Numbers are equal by value: 8.5 is no change from 8.50.
    """

    title: str
    amount: Decimal
    interest_rate: Decimal | None
    duration_months: int | None
    risk_score: str | None
    subscribed_amount: Decimal | None
    min_amount: Decimal | None
    state: str | None
    opens_at: datetime | None
    closes_at: datetime | None
    teaser: str | None


Snapshot = Mapping[int, Seen]


class LoanChange(BaseModel):
    """One field of one loan that is not what it was."""

    model_config = ConfigDict(frozen=True, serialize_by_alias=True)

    id: int
    field: str = Field(description=f"one of {', '.join(Seen._fields)}")
    before: Decimal | int | datetime | str | None = Field(alias="from", description="its value then")
    after: Decimal | int | datetime | str | None = Field(alias="to", description="its value now")


class Changes(BaseModel):
    """What differs from the last successful fetch of the same countries."""

    model_config = ConfigDict(frozen=True)

    since: datetime | None = Field(description="when that was; null when there was none")
    new: tuple[int, ...] = Field((), description="ids that no fetch of these countries had listed since gone")
    gone: tuple[int, ...] = Field((), description="ids no longer listed; only a whole listing tells")
    changed: tuple[LoanChange, ...] = ()

    @property
    def changed_ids(self) -> frozenset[int]:
        """The loans of `changed`, each once."""
        return frozenset(change.id for change in self.changed)

    def __bool__(self) -> bool:
        return bool(self.new or self.gone or self.changed)


def seen(loan: Loan) -> Seen:
    """What is remembered of a loan as it is listed."""
    return Seen(*(getattr(loan, name) for name in Seen._fields))


def compare(
    since: datetime | None, before: Snapshot, now: Snapshot, gone: Collection[int] = frozenset()
) -> Changes:
    """What differs; nothing does when there is nothing to compare with. `gone` are those known to be so."""
    if since is None:
        return Changes(since=None)
    return Changes.model_construct(
        since=since,
        new=tuple(id_ for id_ in now if id_ not in before),
        gone=tuple(sorted(gone)),
        changed=tuple(
            change for id_ in now if id_ in before for change in _changed(id_, before[id_], now[id_])
        ),
    )


def _changed(id_: int, before: Seen, now: Seen) -> Iterator[LoanChange]:
    for field, was, is_ in zip(Seen._fields, before, now, strict=True):
        if was != is_:
            yield LoanChange.model_construct(id=id_, field=field, before=was, after=is_)
