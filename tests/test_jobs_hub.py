"""Many listeners: told in order, a few at a time, whatever one of them does."""

import asyncio
from dataclasses import dataclass, field

from structlog.testing import capture_logs

from kameo_async.jobs.subscription import LISTENERS_AT_ONCE, Event, Expired, Hub

MANY = 3 * LISTENERS_AT_ONCE + 1


@dataclass(eq=False)
class Ear:
    heard: list[Event] = field(default_factory=list)

    def notify(self, event: Event) -> None:
        self.heard.append(event)


class Broken(Ear):
    def notify(self, event: Event) -> None:
        raise RuntimeError("I hear nothing")


def hub_with(*ears: Ear) -> Hub:
    """A hub to which these listen, in order."""
    hub = Hub()
    for ear in ears:
        hub.add(ear)
    return hub


async def test_many_are_told_some_at_a_time():
    """In no step of the loop are more told than a bound, and in the end all are."""
    ears = [Ear() for _ in range(MANY)]
    hub = hub_with(*ears)
    event = Expired("one")
    hub.publish(event)
    told = [sum(map(len, (ear.heard for ear in ears)))]
    while told[-1] < MANY:
        await asyncio.sleep(0)
        told.append(sum(map(len, (ear.heard for ear in ears))))
    assert told == [LISTENERS_AT_ONCE, 2 * LISTENERS_AT_ONCE, 3 * LISTENERS_AT_ONCE, MANY]
    assert all(ear.heard == [event] for ear in ears)


async def test_everybody_hears_in_order():
    """A change that comes while others are still being told waits for them, also one for fewer listeners."""
    ears = [Ear() for _ in range(MANY)]
    hub = hub_with(*ears)
    events = [Expired(name) for name in "abc"]
    for event in events:
        hub.publish(event)
        for ear in ears[: LISTENERS_AT_ONCE // 2]:
            hub.discard(ear)
    await hub.told()
    assert all(ear.heard == events for ear in ears[LISTENERS_AT_ONCE // 2 :])


async def test_a_few_are_told_at_once():
    """With few listeners a change is told before `publish` returns, and there is nothing to wait for."""
    ear = Ear()
    hub = hub_with(ear)
    hub.publish(Expired("one"))
    assert len(ear.heard) == 1
    await asyncio.wait_for(hub.told(), 1)


async def test_a_listener_that_raises_harms_nobody():
    """The others are told of that change and of the next; the log has the cause."""
    ear = Ear()
    hub = hub_with(Broken(), ear)
    with capture_logs() as logs:
        hub.publish(Expired("one"))
        hub.publish(Expired("two"))
    assert [event.job_id for event in ear.heard] == ["one", "two"]
    assert [line["event"] for line in logs] == ["listener.failed"] * 2
