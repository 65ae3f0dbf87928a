"""Asks a person at the terminal for what is not to be stored: the password and the two-factor code."""

import asyncio
import getpass
import sys
import warnings
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext

import click
from pydantic import SecretStr

from kameo_async.kameo.errors import ConfigurationError


class Asker:
    """Prompts go to the terminal or stderr, never to stdout, which may be a file of loans.

    `alone` keeps the terminal free of all else while a code is asked for.
    """

    def __init__(self, alone: Callable[[], AbstractContextManager[None]] = nullcontext) -> None:
        self._alone = alone

    def password(self) -> SecretStr:
        """Asks for the password, without showing it. Raises ConfigurationError where nobody gives one.

        It blocks, and must come before a loop runs, since that would keep Ctrl-C until the line has ended.
        """
        with warnings.catch_warnings():
            warnings.simplefilter("error", getpass.GetPassWarning)  # of a password that would be shown
            try:
                return SecretStr(getpass.getpass("Password at Kameo: "))
            except (EOFError, getpass.GetPassWarning):
                raise ConfigurationError("No password was given: --ask needs a terminal") from None

    async def code(self) -> str:
        """Asks for the six digits that the authenticator app shows; can be cancelled while it waits.

        Raises ConfigurationError where nobody gives any.
        """
        with self._alone():
            click.echo("Code from the authenticator app: ", nl=False, err=True)
            code = (await _line()).strip()
        if code:
            return code
        raise ConfigurationError("No code was given")


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
