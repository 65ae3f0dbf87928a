"""`kameo-async check`: tries the settings step by step and says what it saw."""

import asyncio

import click

from kameo_async import log
from kameo_async.app import kameo_config, sharing
from kameo_async.clock import SystemClock
from kameo_async.kameo.check import check
from kameo_async.kameo.errors import KameoError
from kameo_async.settings import ServiceSettings, load


def run() -> int:
    """Gives the exit code: 0 where everything works. Raises SettingsError."""
    settings = load(ServiceSettings)
    log.configure("debug" if settings.log_level == "debug" else "critical", settings.log_format)
    return asyncio.run(_check(settings))


async def _check(settings: ServiceSettings) -> int:
    clock = SystemClock()
    try:
        async with sharing(settings, "live", by_hand=True) as shared:
            async for step, detail in check(kameo_config(), clock, _tell, shared):
                click.echo(f"{click.style('ok', fg='green')}      {step}: {detail}")
    except KameoError as error:
        click.echo(f"{click.style('failed', fg='red')}  {error}", err=True)
        return 1
    click.echo("Everything works.")
    return 0


async def _tell(message: str) -> None:
    click.echo(f"        {message} …")
