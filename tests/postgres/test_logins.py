"""One login per account over all processes."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from typing import Any

import pytest
from pydantic import SecretStr

from kameo_async.engines.postgres.connections import Connections
from kameo_async.engines.postgres.logins import LoginsByHand, PostgresSessionState
from kameo_async.kameo.client import KameoClient, Query, Upstream
from kameo_async.kameo.errors import LoginRefusedError
from kameo_async.kameo.transport import open_session
from tests.engine_suite.puppet import in_time
from tests.postgres.server import Server
from tests.scripted_upstream import (
    EMAIL,
    PASSWORD,
    TOTP_SECRET,
    ScriptedUpstream,
    SkippingClock,
    answering,
    scripted_upstream,
)

pytestmark = pytest.mark.database

START = datetime(2026, 1, 31, 12, tzinfo=UTC)
STEP = 58_000_000


async def silent(message: str) -> None:
    """Tells nobody."""


class Processes:
    """Processes on one database and one Kameo, each with its own connections."""

    def __init__(self, url: str, kameo: ScriptedUpstream, stack: AsyncExitStack) -> None:
        self.kameo = kameo
        self._url = url
        self._stack = stack

    @property
    def logins(self) -> int:
        """How often a password was sent."""
        return self.kameo.count("POST", "/user/login")

    @property
    def codes(self) -> list[str]:
        return [form["code"] for form in self.kameo.forms if "code" in form]

    def state(self, kind: type[PostgresSessionState] = PostgresSessionState) -> PostgresSessionState:
        connections = Connections(self._url)
        self._stack.push_async_callback(connections.close)
        return kind(connections)

    async def start(self, kind: type[PostgresSessionState] = PostgresSessionState) -> "Process":
        session = await self._stack.enter_async_context(open_session())
        return Process(Upstream(session, SkippingClock(START), logins=self.state(kind)), self.kameo)


class Process:
    """One of them; each of its jobs may have other settings."""

    def __init__(self, upstream: Upstream, kameo: ScriptedUpstream) -> None:
        self._upstream = upstream
        self._kameo = kameo

    def job(self, **config: Any) -> KameoClient:
        return self._upstream.client(self._kameo.config(**config), silent)

    async def fetch(self, **config: Any) -> int:
        return len((await self.job(**config).page(Query(), 1)).loans)


@pytest.fixture
async def processes(url: str) -> AsyncIterator[Processes]:
    """A Kameo that asks for codes, and a database."""
    async with AsyncExitStack() as stack:
        kameo = await stack.enter_async_context(scripted_upstream())
        kameo.two_factor = True
        yield Processes(url, kameo, stack)


async def together(*started: Process, **config: Any) -> list[Any]:
    """What a fetch gives in each, at the same time."""
    fetches = [process.fetch(**config) for process in started]
    loans: list[Any] = await in_time(asyncio.gather(*fetches, return_exceptions=True))
    return loans


async def test_one_login_serves_all(processes: Processes) -> None:
    """Three processes that start at once log in once; so does one that comes later."""
    assert await together(*[await processes.start() for _ in range(3)]) == [12] * 3
    assert await together(await processes.start()) == [12]
    assert (processes.logins, len(processes.codes)) == (1, 1)


async def test_an_expired_session_is_replaced_once(processes: Processes) -> None:
    """Three processes meet a 401; one logs in again, with another code."""
    started = [await processes.start() for _ in range(3)]
    await together(*started)
    for logins in (2, 3):
        processes.kameo.sessions.clear()
        assert await together(*started) == [12] * 3
        assert processes.logins == logins
    assert len(set(processes.codes)) == 3


async def test_a_code_is_used_once(processes: Processes) -> None:
    """Of three processes that want it at once one gets it; nobody gets an older one."""
    states = [processes.state() for _ in range(3)]
    taken = await asyncio.gather(*[state.use_code("me", STEP) for state in states])
    assert sorted(taken) == [False, False, True]
    assert not await states[0].use_code("me", STEP - 1)
    assert await states[0].use_code("you", STEP)
    assert await states[1].use_code("me", STEP + 1)


async def test_refused_credentials_are_not_tried_by_others(processes: Processes) -> None:
    """By nobody, also after a restart, until they change; other wrong ones do not make them be forgotten."""
    wrong, wronger = {"password": SecretStr("wrong")}, {"password": SecretStr("wronger")}
    started = [await processes.start() for _ in range(3)]
    refused = await together(*started, **wrong)
    assert {type(answer) for answer in refused} == {LoginRefusedError}
    assert processes.logins == 1
    await together(started[0], **wronger)
    for config in (wrong, wronger):
        [error] = await together(await processes.start(), **config)
        assert str(error).endswith("not tried again until they are changed")
    assert processes.logins == 2
    assert await together(*started) == [12] * 3
    assert processes.logins == 3


async def test_a_person_may_try_them_again(processes: Processes) -> None:
    """What was refused by mistake: who tries the settings by hand logs in, and all go on with that."""
    worker = await processes.start()
    processes.kameo.script("POST /user/login", answering(401))
    assert [type(answer) for answer in await together(worker)] == [LoginRefusedError]
    assert [type(answer) for answer in await together(worker)] == [LoginRefusedError]
    person = await processes.start(LoginsByHand)
    client = person.job()
    await client.log_in()
    assert len((await client.page(Query(), 1)).loans) == 12
    logins = processes.logins
    assert await together(worker, await processes.start()) == [12, 12]
    assert processes.logins == logins


async def test_the_database_is_told_no_secret(processes: Processes, server: Server, url: str) -> None:
    """Neither who logs in, nor how, nor the cookies that came of it."""
    await together(await processes.start())
    [wrong] = await together(await processes.start(), email="other@example.org", password=SecretStr("wrong"))
    assert isinstance(wrong, LoginRefusedError)
    rows = [server.execute(f"SELECT * FROM {table}", url) for table in ("login", "codes", "refusal")]
    assert [len(found) for found in rows] == [1, 1, 1]
    told = repr(rows).casefold()
    cookies = [f"s{number}" for number in range(len(processes.kameo.sessions))]
    for secret in (EMAIL, "other@example", PASSWORD, "wrong'", TOTP_SECRET[:4], *processes.codes):
        assert secret.casefold() not in told
    [(_, _, seal)] = rows[0]
    assert not any(cookie.encode() in seal for cookie in cookies)
    assert b"session" not in seal


async def test_a_seal_that_does_not_open_is_replaced(processes: Processes, server: Server, url: str) -> None:
    """One that was tampered with, or made with other credentials: a new login, and no error."""
    await together(await processes.start())
    server.execute("UPDATE login SET sealed = set_byte(sealed, 20, get_byte(sealed, 20) # 1)", url)
    assert await together(await processes.start()) == [12]
    assert processes.logins == 2
    secret = SecretStr("JBSW Y3DP EHPK 3PXQ")
    assert await together(await processes.start(), totp_secret=secret) == [12]
    assert processes.logins == 3


async def test_one_secret_may_be_written_in_two_ways(processes: Processes) -> None:
    """With other spaces and cases it opens the same seal: two machines do not log each other out."""
    await together(await processes.start())
    assert await together(await processes.start(), totp_secret=SecretStr("JBSWY3DPEHPK3PXP=")) == [12]
    assert processes.logins == 1


async def test_without_an_authenticator_nothing_is_stored(
    processes: Processes, server: Server, url: str
) -> None:
    """The password alone would be the key: each process then has a session of its own."""
    processes.kameo.two_factor = False
    started = [await processes.start() for _ in range(2)]
    for _ in range(2):
        assert await together(*started, totp_secret=None) == [12, 12]
    assert processes.logins == 2
    assert server.execute("SELECT * FROM login", url) == []


async def test_who_dies_while_logging_in_lets_others_in(processes: Processes, server: Server) -> None:
    """The lock goes with its connection."""
    one, other = processes.state(), processes.state()
    entered = asyncio.Event()

    async def wait() -> None:
        async with other.exclusive("me"):
            entered.set()

    async with one.exclusive("me"):
        waiting = asyncio.create_task(wait())
        async with other.exclusive("you"):
            assert not entered.is_set()
        server.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE state = 'idle in transaction'"
        )
        await in_time(entered.wait())
    await waiting
