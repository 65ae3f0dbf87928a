"""`kameo-async sandbox`: the imitation as a process of its own."""

import asyncio
import shlex
import signal

from kameo_async.clock import SystemClock
from kameo_async.sandbox.options import SandboxOptions
from kameo_async.sandbox.server import running_sandbox


def run(host: str, port: int, options: SandboxOptions) -> None:
    """Listens until Ctrl-C or SIGTERM; prints the settings that use it for a shell. Raises OSError."""
    asyncio.run(_run(host, port, options))


async def _run(host: str, port: int, options: SandboxOptions) -> None:
    stopped = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    async with running_sandbox(options, SystemClock(), host, port) as sandbox:
        for name, value in sandbox.settings().items():
            print(f"export {name}={shlex.quote(value)}", flush=True)  # noqa: T201 - the settings are the output
        await stopped.wait()
