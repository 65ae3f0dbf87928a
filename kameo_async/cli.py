"""The command line. Heavy imports wait inside the commands, so that `--help` is quick."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from kameo_async import __version__

if TYPE_CHECKING:
    from kameo_async.sandbox.options import SandboxOptions

FAILED, INTERRUPTED = 1, 130


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="kameo-async")
def cli() -> None:
    """Fetches Kameo's loans as jobs: over HTTP for programs and people, or right here.

    \b
    Try it without an account:   kameo-async serve --sandbox
    Try your own settings:       kameo-async check
    Fetch the loans now:         kameo-async fetch

    Settings come from the environment or a .env file: KAMEO_EMAIL, KAMEO_PASSWORD, KAMEO_TOTP_SECRET and
    those that the README lists.
    """  # noqa: D301 - click's mark is the character itself


@cli.command()
@click.option("--host", help="Address to listen on.  [default: KAMEO_ASYNC_HOST or 127.0.0.1]")
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    help="Port; 0 takes a free one.  [default: KAMEO_ASYNC_PORT or 8000]",
)
@click.option("--sandbox", is_flag=True, help="Bring an imitation of Kameo and log in to that.")
@click.option(
    "--pace", type=float, help="With --sandbox: seconds that pass there in one of ours.  [default: 1]"
)
@click.option("--worker", is_flag=True, help="With a database: run jobs in this process too.")
def serve(host: str | None, port: int | None, sandbox: bool, pace: float | None, worker: bool) -> None:
    """Run the service: the API and the page.

    SIGTERM or Ctrl-C drains it: running jobs get KAMEO_ASYNC_SHUTDOWN_GRACE_SECONDS to end.
    """
    from kameo_async import log
    from kameo_async.serve import run
    from kameo_async.settings import ServiceSettings, load

    if pace is not None and not sandbox:
        raise click.UsageError("--pace is for --sandbox: the real Kameo keeps its own time")
    options = _sandbox_options((), **_given(pace=pace)) if sandbox else None
    settings = load(ServiceSettings, **_given(host=host, port=port))
    log.configure(settings.log_level, settings.log_format)
    run(settings, options, worker=worker)


@cli.command()
@click.option("--limit", type=click.IntRange(1, 100), help="Loans per page.  [default: 12]")
@click.option("--page", type=click.IntRange(1), help="First page.  [default: 1]")
@click.option("--max-pages", type=click.IntRange(1, 1000), help="Pages at most.  [default: all]")
@click.option("--countries", help="Any of SE, NO, DK, with commas.  [default: SE,DK]")
@click.option(
    "--format", "format_", type=click.Choice(["table", "json", "csv", "xlsx"]), help="[default: table]"
)
@click.option("--output", type=click.Path(dir_okay=False, path_type=Path), help="Write to FILE, not stdout.")
@click.option("--sandbox", is_flag=True, help="Fetch from an imitation of Kameo.")
@click.option("--ask", is_flag=True, help="Prompt for password and code; neither is stored.")
@click.option("--changes", is_flag=True, help="Only what differs from last time; exit 3 when nothing does.")
def fetch(
    format_: str | None,
    output: Path | None,
    sandbox: bool,
    ask: bool,
    changes: bool,
    countries: str | None,
    **pages: int | None,
) -> None:
    """Fetch the loans here and now, without a server.

    Shows progress on stderr and the loans on stdout, or writes them to FILE. Exits with 0, with 1 and one
    line on stderr, or with 130 on Ctrl-C.

    \b
    For Excel:                   kameo-async fetch --output loans.xlsx
    Without stored secrets:      kameo-async fetch --ask
    From cron, what is new:      kameo-async fetch --changes
    """  # noqa: D301
    from kameo_async.fetch import FetchOptions, run

    params: dict[str, Any] = _given(**pages)
    if countries is not None:
        params["countries"] = [word.strip() for word in countries.split(",")]
    options = FetchOptions(
        params, _format(format_, output), output, ask, _sandbox_options(()) if sandbox else None, changes
    )
    raise SystemExit(run(options))


@cli.command()
def check() -> None:
    """Try the settings: what is missing, the clock, login, two-factor, one page of loans."""
    from kameo_async.check import run

    raise SystemExit(run())


@cli.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", type=click.IntRange(0, 65535), default=0, help="Port; 0 takes a free one.")
@click.option(
    "--pages", type=click.IntRange(1, 1000), default=7, show_default=True, help="Pages of 12 loans."
)
@click.option("--fault", "faults", multiple=True, metavar="FAULT[:COUNT]", help="Go wrong; may be repeated.")
@click.option(
    "--pace", type=float, default=1.0, show_default=True, help="Seconds that pass there in one of ours."
)
@click.option("--latency", type=float, default=None, help="Seconds of each API call.  [default: 0.17-0.33]")
@click.option(
    "--rate-limit", type=click.IntRange(1), default=60, show_default=True, help="API calls a minute."
)
@click.option("--no-two-factor", is_flag=True, help="Log in without a code.")
def sandbox(host: str, port: int, faults: tuple[str, ...], **options: Any) -> None:
    """Run the imitation of Kameo alone, and print the settings that use it.

    Faults: 429, 503, html502, hang, expire, broken-loan, duplicate, truncate, drift, maintenance
    """
    from kameo_async import log
    from kameo_async.sandbox.command import run

    log.configure("info", None)
    run(host, port, _sandbox_options(faults, **options))


@cli.command()
@click.option("--sandbox", is_flag=True, help="Bring an imitation of Kameo, and take the jobs of that mode.")
def worker(sandbox: bool) -> None:
    """Run jobs of the distributed engine (needs KAMEO_ASYNC_DATABASE_URL).

    SIGTERM or Ctrl-C drains it: running jobs get KAMEO_ASYNC_SHUTDOWN_GRACE_SECONDS to end, the rest go back.
    """
    from kameo_async import log
    from kameo_async.settings import ServiceSettings, load
    from kameo_async.worker import run

    settings = load(ServiceSettings)
    log.configure(settings.log_level, settings.log_format)
    run(settings, _sandbox_options(()) if sandbox else None)


@cli.command()
@click.option(
    "--archive",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Bring what this file knows of loans into the database, which must know none yet.",
)
def migrate(archive: Path | None) -> None:
    """Bring the database's schema up to date (needs KAMEO_ASYNC_DATABASE_URL).

    `serve` and `worker` do so too, where their user has the right to.
    """
    from kameo_async import log
    from kameo_async.migrate import run
    from kameo_async.settings import ServiceSettings, load

    settings = load(ServiceSettings)
    log.configure("warning", settings.log_format)
    click.echo(run(settings, archive))


def main() -> None:
    """The entry point: every foreseen error is one line on stderr and exit code 1."""
    _be_content_with_streams()
    _or_one_line(lambda: cli.main(standalone_mode=False))


def _or_one_line(command: Callable[[], None]) -> None:
    from kameo_async.jobs.errors import InvalidKindError
    from kameo_async.settings import SettingsError

    try:
        command()
    except BrokenPipeError:
        _leave_closed_pipe()
    except (SettingsError, InvalidKindError, OSError) as error:
        click.echo(f"kameo-async: {error}", err=True)
        raise SystemExit(FAILED) from None
    except click.Abort:
        raise SystemExit(INTERRUPTED) from None
    except click.ClickException as error:
        error.show()
        raise SystemExit(error.exit_code) from None


def _be_content_with_streams() -> None:
    """One that is closed (`2>&-`) leads nowhere, where the next file to be opened would take its place.

    A letter that one has no code for is shown as a question mark.
    """
    import os
    import sys

    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode))  # noqa: PTH123, SIM115 - open to the end
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="replace")  # type: ignore[union-attr]  # what Python opens, and we do, can


def _leave_closed_pipe() -> None:
    """The reader has gone (`| head`): no traceback, also not at the interpreter's own flush."""
    import os
    import sys

    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    raise SystemExit(FAILED)


def _given(**options: Any) -> dict[str, Any]:
    return {name: value for name, value in options.items() if value is not None}


def _format(format_: str | None, output: Path | None) -> str:
    """What was asked for, else what the file's name says, else a table."""
    suffix = output.suffix.lstrip(".").lower() if output else ""
    return format_ or (suffix if suffix in ("json", "csv", "xlsx") else "table")


def _sandbox_options(
    faults: tuple[str, ...], latency: float | None = None, no_two_factor: bool = False, **options: Any
) -> "SandboxOptions":
    from kameo_async.sandbox.options import SandboxOptions, parse_fault

    if latency is not None:
        options["latency"] = (latency, latency)
    try:
        return SandboxOptions(faults=tuple(map(parse_fault, faults)), two_factor=not no_two_factor, **options)
    except ValueError as error:
        raise click.UsageError(str(error)) from None
