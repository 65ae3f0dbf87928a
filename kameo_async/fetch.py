"""`kameo-async fetch`: the main job without a server."""

import asyncio
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

import click
from pydantic import SecretStr
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
)
from rich.table import Table

from kameo_async import destination, export, log
from kameo_async.app import ReadConfig, kameo_config, sharing
from kameo_async.ask import Asker
from kameo_async.clock import SystemClock
from kameo_async.destination import NotWritableError
from kameo_async.jobs.document import JsonNumbers, decode, encode
from kameo_async.jobs.errors import InvalidParamsError
from kameo_async.jobs.models import Job, JobStatus
from kameo_async.jobs.service import JobLimits, JobService
from kameo_async.kameo.archive.changes import Changes
from kameo_async.kameo.errors import ConfigurationError
from kameo_async.kinds.loan_fetch import LoanFetchJobService
from kameo_async.sandbox.options import SandboxOptions
from kameo_async.sandbox.server import running_sandbox
from kameo_async.serve import sandbox_config
from kameo_async.settings import Mode, ServiceSettings, load

KIND = LoanFetchJobService.kind
FAILED, NO_CHANGES = 1, 3


@dataclass(frozen=True, slots=True)
class FetchOptions:
    """What to fetch and how to give it; `format` is table, json, csv or xlsx.

    With `changes` only what differs from last time is given, as a table or JSON.
    """

    params: dict[str, Any]
    format: str
    output: Path | None
    ask: bool
    sandbox: SandboxOptions | None
    changes: bool = False


class FetchError(Exception):
    """One line for people."""


def run(options: FetchOptions) -> int:
    """Fetches and writes the loans, or what is new; gives the exit code.

    Raises KeyboardInterrupt, SettingsError, OSError.
    """
    settings = load(ServiceSettings)
    # Progress and one line at the end are what a person sees; the log only where it is asked for.
    log.configure("debug" if settings.log_level == "debug" else "critical", settings.log_format)
    try:
        if options.format == "xlsx" and options.output is None and sys.stdout.isatty():
            raise FetchError("Excel is no text: name a file with --output")  # noqa: TRY301 - one way out
        if options.changes and options.format not in ("table", "json"):
            raise FetchError("--changes comes as table or json")  # noqa: TRY301
        if options.output is not None:
            destination.check(options.output)
        password = Asker().password() if options.ask and options.sandbox is None else None
        job = asyncio.run(_fetch(options, settings, password))
        if (content := _content(options, job)) is None:
            return NO_CHANGES
        _write(options, content)
    except (FetchError, NotWritableError, InvalidParamsError, ConfigurationError) as error:
        click.echo(f"kameo-async: {error}", err=True)
        return FAILED
    return 0


async def _fetch(options: FetchOptions, settings: ServiceSettings, password: SecretStr | None) -> Job:
    bar = _bar()
    async with _config(options, Asker(partial(_hidden, bar)), password) as read_config:
        mode = _mode(options, settings)
        limits = JobLimits(timeout_seconds=settings.job_timeout_seconds, grace_seconds=0)
        async with sharing(settings, mode) as shared:
            if options.ask:  # a code that was mistyped must not keep others from logging in
                shared = replace(shared, logins=None)
            kind = LoanFetchJobService(
                read_config, clock=SystemClock(), shared=shared, test_mode=mode == "test"
            )
            async with JobService([kind], limits) as jobs:
                job = await jobs.submit(KIND, options.params)
                return await _followed(jobs, job, bar)


def _mode(options: FetchOptions, settings: ServiceSettings) -> Mode:
    if options.sandbox is not None:
        return "sandbox"
    return "test" if settings.test_mode else "live"


@asynccontextmanager
async def _config(
    options: FetchOptions, asker: Asker, password: SecretStr | None
) -> AsyncIterator[ReadConfig]:
    if options.sandbox is not None:
        async with running_sandbox(options.sandbox, SystemClock()) as sandbox:
            yield sandbox_config(sandbox)
    elif password is not None:
        yield lambda: replace(kameo_config(), password=password, totp_secret=None, ask_code=asker.code)
    else:
        yield kameo_config


def _bar() -> Progress:
    """Shown on a terminal only."""
    console = Console(stderr=True)
    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    return Progress(
        *columns, TimeElapsedColumn(), console=console, transient=True, disable=not console.is_terminal
    )


@contextmanager
def _hidden(bar: Progress) -> Iterator[None]:
    """Drawn ten times a second it would hide a prompt, and what is typed there."""
    bar.stop()
    try:
        yield
    finally:
        bar.start()


async def _followed(jobs: JobService, job: Job, bar: Progress) -> Job:
    """Shows progress until the job has ended. Raises FetchError where it has no result."""
    with bar:
        shown = bar.add_task("Starting", total=None)
        async for event in await jobs.subscribe(job.job_id):
            if isinstance(event, Job):
                job = event
            if job.progress is not None:
                message, done, total = job.progress.message, job.progress.done, job.progress.total
                bar.update(shown, description=message, completed=done, total=total)
    if job.status is not JobStatus.SUCCESS:
        raise FetchError(job.failure.message if job.failure else f"The job was {job.status}")
    return job


def _content(options: FetchOptions, job: Job) -> bytes | Table | None:
    """What goes to stdout or the file: null where only changes are wanted and there are none.

    What people should know goes to stderr; where there is nothing to tell, cron shall send no mail.
    """
    if job.result is None:
        raise FetchError("The job has no result")
    result = decode(job.result)
    for line in (*result["warnings"], *filter(None, [result.get("message")])):
        click.echo(line, err=True)
    changes = None if result["changes"] is None else Changes.model_validate(result["changes"])
    if changes is not None and changes.since is not None and (changes or not options.changes):
        click.echo(_since(changes.since, changes), err=True)
    if not options.changes:
        return _rendered(options.format, job.result, result)
    if changes is None:
        raise FetchError("What has changed is not known")
    return _rendered_changes(options.format, changes, result["loans"]) if changes else None


def _since(since: datetime, changes: Changes) -> str:
    """Such as "Since 2026-11-23 14:10: 2 new, 1 gone, 3 changed", in local time."""
    counts = {"new": len(changes.new), "gone": len(changes.gone), "changed": len(changes.changed_ids)}
    told = ", ".join(f"{count} {word}" for word, count in counts.items() if count)
    return f"Since {since.astimezone():%Y-%m-%d %H:%M}: {told or 'nothing new'}"


def _rendered_changes(format_: str, changes: Changes, loans: list[dict[str, Any]]) -> bytes | Table:
    if format_ == "json":
        return encode(changes) + b"\n"
    titles = {loan["id"]: loan["title"] for loan in loans}
    table = Table("", "Id", "Title", "Field", "From", "To", box=None, header_style="bold")
    rows: list[tuple[object, ...]] = [("new", id_, titles.get(id_)) for id_ in changes.new]
    rows += [("gone", id_) for id_ in changes.gone]
    rows += [
        ("changed", one.id, titles.get(one.id), one.field, one.before, one.after) for one in changes.changed
    ]
    for row in rows:
        table.add_row(*map(_text, row))
    return table


def _rendered(format_: str, encoded: bytes, result: dict[str, Any]) -> bytes | Table:
    if format_ == "json":
        return encoded + b"\n"
    if format_ == "table":
        return _table(result["loans"])
    kind = LoanFetchJobService
    schema = kind.Result.model_json_schema(schema_generator=JsonNumbers, mode="serialization")
    columns = export.columns(schema, kind.table)
    if format_ == "csv":
        return export.to_csv(columns, result["loans"])
    return export.to_xlsx(columns, result["loans"], kind.title)


def _table(loans: list[dict[str, Any]]) -> Table:
    table = Table(box=None, header_style="bold")
    for heading in ("Id", "Title"):
        table.add_column(heading, overflow="ellipsis", no_wrap=True)
    for heading in ("Country", "Amount", "Currency", "Rate %", "Months", "Risk", "Filled %"):
        table.add_column(heading, justify="right" if heading in _NUMERIC else "left", no_wrap=True)
    for loan in loans:
        table.add_row(*map(_text, _cells(loan)))
    return table


_NUMERIC = frozenset({"Amount", "Rate %", "Months", "Filled %"})


def _cells(loan: dict[str, Any]) -> tuple[object, ...]:
    filled = loan["funded_fraction"]
    return (
        loan["id"],
        loan["title"],
        loan["country"],
        f"{loan['amount']:,}".replace(",", " "),
        loan["currency"],
        loan["interest_rate"],
        loan["duration_months"],
        loan["risk_score"],
        None if filled is None else f"{filled * 100:.1f}",
    )


def _text(value: object) -> str:
    """One line without control characters, brackets kept from being read as markup."""
    text = "" if value is None else str(value)
    return "".join(character if character.isprintable() else " " for character in text).replace("[", r"\[")


def _write(options: FetchOptions, content: bytes | Table) -> None:
    """To stdout, or to the file, which is there whole or not at all. Raises NotWritableError, OSError."""
    if options.output is not None:
        destination.save(options.output, _as_bytes(content))
    elif isinstance(content, Table):
        _console(sys.stdout.isatty()).print(content)
        sys.stdout.flush()
    else:
        sys.stdout.buffer.write(content)
        sys.stdout.buffer.flush()


def _as_bytes(content: bytes | Table) -> bytes:
    if isinstance(content, bytes):
        return content
    console = _console(is_terminal=False)
    with console.capture() as captured:
        console.print(content)
    return captured.get().encode()


def _console(is_terminal: bool) -> Console:
    """As wide as the terminal; where there is none, as wide as it takes."""
    return Console() if is_terminal else Console(width=200, no_color=True)
