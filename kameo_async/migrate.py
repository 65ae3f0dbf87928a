"""`kameo-async migrate`: brings the database's schema up to date, and says to what version."""

import asyncio

from kameo_async.app import cluster_of
from kameo_async.clock import SystemClock
from kameo_async.settings import ServiceSettings, SettingsError


def run(settings: ServiceSettings) -> str:
    """Gives a line for people. Raises SettingsError, OSError."""
    return asyncio.run(_migrate(settings))


async def _migrate(settings: ServiceSettings) -> str:
    cluster = cluster_of(settings, "live", SystemClock(), runs_jobs=False)
    if cluster is None:
        raise SettingsError("KAMEO_ASYNC_DATABASE_URL: is not set; there is no database to migrate")
    async with cluster:
        return f"The schema is up to date (version {cluster.schema_version})."
