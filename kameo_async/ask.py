"""Asks a person at the terminal for what is not to be stored: the password and the two-factor code."""

import asyncio
import getpass
import sys

import click
from pydantic import SecretStr


class Asker:
    """Prompts go to the terminal or stderr, never to stdout, which may be a file of loans."""

    def password(self) -> SecretStr:
        """Asks for the password, without showing it."""
        return SecretStr(getpass.getpass("Password at Kameo: "))

    async def code(self) -> str:
        """Asks for the six digits that the authenticator app shows; can be cancelled while it waits."""
        click.echo("Code from the authenticator app: ", nl=False, err=True)
        line = await _line()
        return line.strip()


async def _line() -> str:
    """A line from stdin, awaited: a thread that reads could not be cancelled."""
    loop = asyncio.get_running_loop()
    ready = asyncio.Event()
    try:
        loop.add_reader(sys.stdin.fileno(), ready.set)
    except PermissionError:  # a plain file, which never makes anybody wait
        return sys.stdin.readline()
    try:
        await ready.wait()
    finally:
        loop.remove_reader(sys.stdin.fileno())
    return sys.stdin.readline()
