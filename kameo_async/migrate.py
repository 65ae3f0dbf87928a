"""`kameo-async migrate`: brings the database's schema up to date, and an archive's file into it."""

import asyncio
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from kameo_async.app import cluster_of
from kameo_async.clock import SystemClock
from kameo_async.kameo.archive import ArchiveError
from kameo_async.kameo.archive.carry import content
from kameo_async.kameo.archive.sqlite import SqliteDatabase, told
from kameo_async.places import archive_source
from kameo_async.settings import ServiceSettings, SettingsError

if TYPE_CHECKING:
    from kameo_async.engines.postgres import Cluster


def run(settings: ServiceSettings, archive: Path | None = None) -> str:
    """Gives lines for people. Raises SettingsError, OSError."""
    try:
        return asyncio.run(_migrate(settings, archive))
    except ArchiveError as error:
        raise OSError(str(error)) from error


async def _migrate(settings: ServiceSettings, archive: Path | None) -> str:
    cluster = cluster_of(settings, "live", SystemClock(), runs_jobs=False)
    if cluster is None:
        raise SettingsError("KAMEO_ASYNC_DATABASE_URL: is not set; there is no database to migrate")
    async with cluster:
        said = f"The schema is up to date (version {cluster.schema_version})."
        return said if archive is None else f"{said}\n{await _carried(settings, cluster, archive)}"


async def _carried(settings: ServiceSettings, cluster: "Cluster", path: Path) -> str:
    with closing(SqliteDatabase.read_only(path)) as file, told(path):
        found = content(file)
    async with cluster.shared(archive_source("test" if settings.test_mode else "live")).archive as archive:
        await archive.take(found)
    return f"The database knows now what {path} knew (fetches: {len(found.fetches)})."
