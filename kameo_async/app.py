"""The composition root: makes everything, hands everybody what they need, and takes it down in reverse."""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from aiohttp import web

from kameo_async import __version__
from kameo_async.clock import Clock, SystemClock
from kameo_async.jobs.journal import Journal
from kameo_async.jobs.kind import Kind
from kameo_async.jobs.service import JobLimits, JobService
from kameo_async.kameo.archive import Archive
from kameo_async.kameo.config import KameoConfig
from kameo_async.kameo.errors import ConfigurationError
from kameo_async.kameo.shared import Shared
from kameo_async.kameo.transport import Observer
from kameo_async.kinds import installed_kinds
from kameo_async.kinds.loan_fetch import LoanFetchJobService
from kameo_async.kinds.loan_history import LoanHistoryJobService
from kameo_async.places import archive_file, archive_source, state_file
from kameo_async.settings import KameoSettings, Mode, ServiceSettings, SettingsError, load
from kameo_async.web import documents
from kameo_async.web.access import Access
from kameo_async.web.config import AccessConfig, WebConfig
from kameo_async.web.door import door, set_headers
from kameo_async.web.keys import ACCESS, CONFIG, JOBS, METRICS
from kameo_async.web.metrics import Metrics
from kameo_async.web.routes import add_routes
from kameo_async.web.sockets import SOCKETS, Sockets

if TYPE_CHECKING:
    from kameo_async.engines.postgres import Cluster

MAX_BODY_BYTES = 64 * 1024

ReadConfig = Callable[[], KameoConfig]


def kameo_config() -> KameoConfig:
    """The Kameo settings as they are now. Raises ConfigurationError."""
    try:
        return KameoConfig(**dict(load(KameoSettings)))
    except SettingsError as error:
        raise ConfigurationError(str(error)) from error


def create_app(
    settings: ServiceSettings,
    *,
    mode: Mode = "live",
    read_config: ReadConfig = kameo_config,
    clock: Clock | None = None,
    kinds: Sequence[Kind] | None = None,
    state: Path | None = None,
    worker: bool = False,
) -> web.Application:
    """The service as an aiohttp application, whose jobs survive a restart in the file `state`.

    With a database they are kept there, and run here only where this process is a `worker` too. `kinds`
    replaces all kinds, `read_config` the Kameo settings. Raises SettingsError, InvalidKindError.
    """
    clock = clock or SystemClock()
    cluster = cluster_of(settings, mode, clock, runs_jobs=worker)
    if cluster is not None:
        state = None
    metrics = Metrics()
    shared = shared_of(cluster, state, mode, clock)
    if kinds is None:
        kinds = all_kinds(mode, read_config, clock, metrics, shared)
    access_config = _access_config(settings)
    app = web.Application(middlewares=[door], client_max_size=MAX_BODY_BYTES)
    app[ACCESS] = Access(access_config)
    app[CONFIG] = WebConfig(
        version=__version__,
        engine="in-process" if cluster is None else "distributed",
        mode=mode,
        is_durable=state is not None or cluster is not None,
        static=static_folder(),
        max_websockets=settings.max_websockets,
    )
    app[METRICS] = metrics
    app[SOCKETS] = Sockets(settings.max_websockets)
    journal = None if state is None else Journal.open(state, clock)
    if cluster is None:
        app[JOBS] = JobService(kinds, job_limits(settings), clock, journal)
    else:
        app[JOBS] = JobService(kinds, job_limits(settings), cluster.clock, parts=cluster.parts)
    for resource in (cluster, journal):
        if resource is not None:
            app.cleanup_ctx.append(partial(_entered, resource))
    app.cleanup_ctx.append(partial(_entered, shared.archive))
    app.cleanup_ctx.append(_jobs)
    app.on_shutdown.append(_close_sockets)
    documents.prepare(app, needs_token=settings.token is not None)
    add_routes(app, app[ACCESS], access_config)
    app.on_response_prepare.append(set_headers)
    return app


def cluster_of(settings: ServiceSettings, mode: Mode, clock: Clock, *, runs_jobs: bool) -> "Cluster | None":
    """What a process needs to be one of many; None without a database. Raises SettingsError."""
    if settings.database_url is None:
        return None
    try:
        from kameo_async.engines.postgres import Cluster
    except ImportError as error:
        raise SettingsError(
            f"KAMEO_ASYNC_DATABASE_URL: needs the extra `kameo-async[postgres]` ({error.name} is missing)"
        ) from error
    return Cluster(settings.database_url.get_secret_value(), mode, runs_jobs=runs_jobs, clock=clock)


def shared_of(
    cluster: "Cluster | None", state: Path | None, mode: Mode, clock: Clock, *, by_hand: bool = False
) -> Shared:
    """What fetches share: with a database all that others do too, else the files beside `state`."""
    if cluster is not None:
        return cluster.shared(archive_source(mode), by_hand=by_hand)
    return Shared(Archive(archive_file(state, mode), clock))


@asynccontextmanager
async def sharing(settings: ServiceSettings, mode: Mode, *, by_hand: bool = False) -> AsyncIterator[Shared]:
    """What a command has in common with the service; `by_hand` is for who tries the settings.

    Raises SettingsError, OSError.
    """
    clock = SystemClock()
    cluster = cluster_of(settings, mode, clock, runs_jobs=False)
    async with AsyncExitStack() as stack:
        if cluster is not None:
            await stack.enter_async_context(cluster)
            await cluster.read_clock()
        shared = shared_of(cluster, state_file(settings, mode), mode, clock, by_hand=by_hand)
        await stack.enter_async_context(shared.archive)
        yield shared


def all_kinds(
    mode: Mode, read_config: ReadConfig, clock: Clock, observer: Observer, shared: Shared
) -> list[Kind]:
    """The built-in kinds, then those of installed packages. Raises InvalidKindError."""
    is_test = mode == "test"
    loan_fetch = LoanFetchJobService(
        read_config, clock=clock, shared=shared, test_mode=is_test, observer=observer
    )
    return [loan_fetch, LoanHistoryJobService(shared.archive), *installed_kinds()]


def static_folder() -> Path:
    """The page: inside the package where it was installed, beside it in a checkout."""
    inside = Path(__file__).parent / "static"
    return inside if inside.is_dir() else Path(__file__).parent.parent / "static"


async def _entered(resource: AbstractAsyncContextManager[object], _: web.Application) -> AsyncIterator[None]:
    async with resource:
        yield


async def _jobs(app: web.Application) -> AsyncIterator[None]:
    jobs, metrics = app[JOBS], app[METRICS]
    async with jobs:
        jobs.hub.add(metrics)
        metrics.watch(jobs, lambda: len(app[SOCKETS]))
        yield


async def _close_sockets(app: web.Application) -> None:
    await app[SOCKETS].close()


def _access_config(settings: ServiceSettings) -> AccessConfig:
    return AccessConfig(
        token=settings.token.get_secret_value() if settings.token else None,
        cors_origins=settings.cors_origins,
        allowed_hosts=settings.allowed_hosts,
        is_development=settings.environment == "development",
    )


def job_limits(settings: ServiceSettings) -> JobLimits:
    """The bounds of a job service."""
    return JobLimits(
        ttl_seconds=settings.job_ttl_seconds,
        reap_interval_seconds=settings.reap_interval_seconds,
        timeout_seconds=settings.job_timeout_seconds,
        max_running=settings.max_running_jobs,
        max_pending=settings.max_pending_jobs,
        max_kept_bytes=settings.max_kept_bytes,
        grace_seconds=settings.shutdown_grace_seconds,
    )
