"""Runs the service as a process: listens, waits for a signal, drains while it still listens, leaves."""

import asyncio
import gc
import os
import signal
import sys
from collections.abc import Callable, Coroutine
from contextlib import AsyncExitStack
from typing import Any

import structlog
import uvloop
from aiohttp import web

from kameo_async.allocator import share_one_heap
from kameo_async.app import ReadConfig, create_app, kameo_config
from kameo_async.clock import SystemClock
from kameo_async.jobs.errors import JournalError
from kameo_async.kameo.config import KameoConfig
from kameo_async.places import state_file
from kameo_async.sandbox.options import SandboxOptions
from kameo_async.sandbox.server import RunningSandbox, running_sandbox
from kameo_async.settings import KameoSettings, Mode, ServiceSettings, SettingsError, load
from kameo_async.web.keys import JOBS
from kameo_async.web.protocol import Runner, has_fast_parser
from kameo_async.web.sockets import SOCKETS
from kameo_async.web.sparse import Sparse

log = structlog.get_logger()

SIGNALS = (signal.SIGINT, signal.SIGTERM)
YOUNG_OBJECTS = 10_000  # before the collector looks at them; at its usual 700 that is 3 % of a submit
OLDER_ROUNDS = (1, 3)  # of the younger ones in between; at the usual 10 up to 15 MB waited for the collector


def run(settings: ServiceSettings, sandbox: SandboxOptions | None = None, *, worker: bool = False) -> None:
    """Serves until SIGINT or SIGTERM; a second signal ends at once.

    Raises SettingsError, InvalidKindError, OSError.
    """
    if not has_fast_parser():
        raise OSError("aiohttp: its C extensions are missing; install it from a wheel, or with a C compiler")
    try:
        run_to_the_end(_serve(settings, sandbox, worker))
    except JournalError as error:
        raise SettingsError(f"KAMEO_ASYNC_STATE_FILE: {error}") from error


def run_to_the_end(service: Coroutine[Any, Any, bool]) -> None:
    """Runs a service on a loop of its own; it gives whether a kind would not stop."""
    share_one_heap()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.get_loop().set_exception_handler(_report)
        abandoned = runner.run(service)
    if abandoned:
        _leave(0)


async def _serve(settings: ServiceSettings, sandbox: SandboxOptions | None, worker: bool) -> bool:
    """Gives whether a kind would not stop, and would keep the loop from ending."""
    async with AsyncExitStack() as stack:
        mode, read_config = await upstream(settings, sandbox, stack)
        state = state_file(settings, mode)
        app = create_app(settings, mode=mode, read_config=read_config, state=state, worker=worker)
        runner = Runner(app)
        stack.push_async_callback(runner.cleanup)
        await runner.setup()
        gc.freeze()  # all this stays: the collector took 15 ms to look through 100,000 kept jobs
        gc.set_threshold(YOUNG_OBJECTS, *OLDER_ROUNDS)
        await _listen(settings, runner)
        stopped = stop_on_signals()
        _announce(settings, runner, mode)
        await stopped.wait()
        log.info("service.draining")
        abandoned = await app[JOBS].close()
        await app[SOCKETS].close()
        if abandoned:
            log.error("service.left_behind", jobs=list(abandoned))
        return bool(abandoned)


async def _listen(settings: ServiceSettings, runner: web.AppRunner) -> None:
    """Raises SettingsError."""
    try:
        await web.TCPSite(runner, settings.host, settings.port).start()
    except OSError as error:
        number = error.errno or 0  # negative, and no errno, where a name cannot be looked up
        reason = os.strerror(number) if number > 0 else error.strerror
        place = f"KAMEO_ASYNC_HOST={settings.host}, KAMEO_ASYNC_PORT={settings.port}"
        raise SettingsError(f"{place}: cannot be listened at ({reason})") from error


async def upstream(
    settings: ServiceSettings, sandbox: SandboxOptions | None, stack: AsyncExitStack
) -> tuple[Mode, ReadConfig]:
    """The mode, and the Kameo settings of its jobs; a sandbox runs as long as `stack`."""
    if sandbox is not None:
        running = await stack.enter_async_context(running_sandbox(sandbox, SystemClock()))
        return "sandbox", sandbox_config(running)
    return "test" if settings.test_mode else "live", kameo_config


def sandbox_config(sandbox: RunningSandbox) -> Callable[[], KameoConfig]:
    """The Kameo settings with the sandbox's address and account over all that is set."""
    own = {
        "base_url": sandbox.base_url,
        "api_url": sandbox.api_url,
        "email": sandbox.email,
        "password": sandbox.password,
        "totp_secret": sandbox.totp_secret,
    }
    return lambda: KameoConfig(**dict(load(KameoSettings, **own)))


def _announce(settings: ServiceSettings, runner: web.AppRunner, mode: Mode) -> None:
    host, port = runner.addresses[0][:2]
    address = f"http://{f'[{host}]' if ':' in host else host}:{port}/"
    log.info("service.listening", address=address, mode=mode, needs_token=settings.token is not None)
    hint = "?token=… (your KAMEO_ASYNC_TOKEN)" if settings.token else ""
    print(f"kameo-async is ready: open {address}{hint}", flush=True)  # noqa: T201 - the one line for people


def stop_on_signals() -> asyncio.Event:
    """Set by SIGINT and SIGTERM; a second one ends the process at once."""
    stopped = asyncio.Event()

    def stop(number: int) -> None:
        if stopped.is_set():
            _leave(128 + number)
        stopped.set()

    for number in SIGNALS:
        asyncio.get_running_loop().add_signal_handler(number, stop, number)
    return stopped


def _report(_: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """What went wrong outside of any request or job, without what is around it, which may be secret."""
    error = context.get("exception")
    _failures.say("loop.failed", message=context["message"], error=type(error).__name__ if error else None)


_failures = Sparse("error", seconds=10)


def _leave(code: int) -> None:
    """Ends the process without waiting for tasks that will not."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
