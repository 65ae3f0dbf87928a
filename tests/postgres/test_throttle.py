"""One throttle per account over all processes."""

import asyncio
import random
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest

from kameo_async.engines.postgres.connections import Connections
from kameo_async.engines.postgres.throttle import POLL_SECONDS, PostgresThrottleState
from kameo_async.kameo.pace import Admission, Feedback
from kameo_async.kameo.throttle import MemoryThrottleState
from tests.clock import FakeClock
from tests.engine_suite.puppet import in_time
from tests.postgres.server import Server

pytestmark = pytest.mark.database

ACCOUNT = "me@example.org https://site.example"


class Machine:
    """Processes whose database has a clock that the test moves."""

    def __init__(self, url: str) -> None:
        self.clock = FakeClock()
        self.set_back = 0.0
        self._pools = [Connections(url, now=self._now) for _ in range(3)]
        self.states = [PostgresThrottleState(pool, ACCOUNT) for pool in self._pools]
        self.other_account = PostgresThrottleState(self._pools[0], "other@example.org https://site.example")

    def _now(self) -> datetime:
        return datetime.fromtimestamp(1_800_000_000 + self.clock.monotonic() - self.set_back, UTC)

    async def close(self) -> None:
        for pool in self._pools:
            await pool.close()


@pytest.fixture
async def machine(url: str) -> AsyncIterator[Machine]:
    """Three processes on one database."""
    machine = Machine(url)
    yield machine
    await machine.close()


def rounded(admission: Admission) -> tuple[bool, float | None]:
    """Whether it may go, else for how long not."""
    seconds = admission.seconds
    return admission.number is not None, None if seconds in (None, POLL_SECONDS) else round(seconds, 3)


@pytest.mark.parametrize("seed", range(4))
async def test_all_processes_together_are_as_one(machine: Machine, seed: int) -> None:
    """Whatever three processes ask and hear, each is answered as if one had asked and heard it all."""
    chance = random.Random(seed)
    alone = MemoryThrottleState(machine.clock)
    under_way: list[tuple[PostgresThrottleState, int]] = []
    for _ in range(60):
        process = chance.choice(machine.states)
        if under_way and chance.random() < 0.45:
            process, number = under_way.pop(chance.randrange(len(under_way)))
            feedback = chance.choice(
                [
                    None,
                    Feedback(),
                    Feedback(limit=9, remaining=chance.randrange(4)),
                    Feedback(True, 4, 0, 3.0),
                ]
            )
            await process.settle(number, feedback)
            await alone.settle(number, feedback)
        else:
            admission, expected = await process.reserve(8), await alone.reserve(8)
            assert rounded(admission) == rounded(expected)
            assert admission.number == expected.number
            if admission.number is not None:
                under_way.append((process, admission.number))
        await machine.clock.advance(chance.choice([0, 0.1, 2, 20]))


async def test_the_limit_holds_for_all_together(machine: Machine) -> None:
    """Three processes, five a minute: the sixth waits, whoever asks; another account does not."""
    for number in range(5):
        process = machine.states[number % 3]
        await process.settle((await process.reserve(5)).number or 0, Feedback())
    for process in machine.states:
        assert rounded(await process.reserve(5)) == (False, 60)
    assert (await machine.other_account.reserve(5)).number == 0
    await machine.clock.advance(60)
    assert (await machine.states[2].reserve(5)).number == 5


async def test_one_place_is_given_once(machine: Machine) -> None:
    """Of sixty that ask at once, at three processes, ten get a number, and each its own."""
    asked = [machine.states[number % 3].reserve(10) for number in range(60)]
    numbers = {admission.number for admission in await in_time(asyncio.gather(*asked))}
    assert numbers == {None, *range(10)}


async def test_what_one_is_told_steers_all(machine: Machine) -> None:
    """One process gets a 429 with half a minute to wait: the others wait too."""
    one, other, _ = machine.states
    first = (await one.reserve(45)).number
    assert first is not None
    await one.settle(first, Feedback(limited=True, remaining=0, wait_seconds=30))
    assert rounded(await other.reserve(45)) == (False, 30)


async def test_a_killed_process_holds_its_place_for_a_while(machine: Machine) -> None:
    """A request whose end nobody tells counts as under way for 90 seconds, then for its minute."""
    one, other, _ = machine.states
    assert (await one.reserve(1)).number == 0
    await machine.clock.advance(80)
    assert await other.reserve(1) == Admission(None, POLL_SECONDS)
    await machine.clock.advance(20)
    assert rounded(await other.reserve(1)) == (False, 50)
    await machine.clock.advance(50)
    assert (await other.reserve(1)).number == 1


async def test_a_clock_set_back_makes_nobody_wait_for_it(machine: Machine) -> None:
    """Of the minute to wait, a minute is left."""
    one, other, _ = machine.states
    await one.settle((await one.reserve(1)).number or 0, Feedback())
    machine.set_back = timedelta(hours=1).total_seconds()
    assert rounded(await other.reserve(1)) == (False, 60)


async def test_what_was_not_told_is_told_later(machine: Machine, server: Server, url: str) -> None:
    """An end that comes while the database takes no writes is not lost, and keeps nobody waiting."""
    one, other, _ = machine.states
    first = (await one.reserve(45)).number
    assert first is not None
    name = url.rpartition("/")[2]
    server.execute(f"ALTER DATABASE {name} SET default_transaction_read_only TO on")
    server.execute(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'")
    await one.settle(first, Feedback(limited=True, wait_seconds=30))
    server.execute(f"ALTER DATABASE {name} SET default_transaction_read_only TO off")
    await machine._pools[0].close()
    assert rounded(await one.reserve(45)) == (False, 30)
    assert rounded(await other.reserve(45)) == (False, 30)


async def test_a_request_waits_for_the_database(machine: Machine, server: Server, url: str) -> None:
    """While it is away nothing goes to Kameo uncounted; the job goes on when it is back."""
    one, name = machine.states[0], url.rpartition("/")[2]
    server.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
    waiting = asyncio.create_task(one.reserve(45))
    done, _ = await asyncio.wait([waiting], timeout=0.1)
    assert not done
    server.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")
    assert (await in_time(waiting)).number == 0
