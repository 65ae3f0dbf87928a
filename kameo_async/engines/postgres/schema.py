"""The schema: versioned, brought up to date by one process at a time, or a plain line why not."""

from typing import LiteralString

import psycopg
import structlog

from kameo_async.engines.postgres.archive_tables import ARCHIVE
from kameo_async.engines.postgres.connections import SCHEMA, Connection, Connections
from kameo_async.engines.postgres.errors import SETTING, DatabaseError, reason
from kameo_async.engines.postgres.queue_tables import QUEUE

log = structlog.get_logger()

OLDEST_SERVER = 130000
LOCK = 0x6B616D656F  # "kameo": of advisory locks, this one is for migrations
COUNTING = 0x6B616D65  # and of those of two numbers, this is for counting; the second is the shard
SHARDS = 32

_UNFINISHED = "status IN ('pending', 'running')"

_TABLES = f"""
CREATE TABLE job (
    sequence bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    job_id text COLLATE "C" NOT NULL UNIQUE,
    kind text COLLATE "C" NOT NULL,
    mode text COLLATE "C" NOT NULL,
    params bytea NOT NULL,
    key text COLLATE "C",
    request_id text,
    status text COLLATE "C" NOT NULL,
    progress json,
    failure json,
    result bytea,
    revision integer NOT NULL,
    attempt integer NOT NULL,
    losses integer NOT NULL DEFAULT 0,
    cancel_requested boolean NOT NULL DEFAULT false,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    started_at timestamptz,
    finished_at timestamptz,
    expires_at timestamptz,
    size bigint NOT NULL DEFAULT 0,
    worker_id text,
    lease_until timestamptz
);
CREATE UNIQUE INDEX job_key ON job (key) WHERE key IS NOT NULL;
CREATE INDEX job_pending ON job (mode, sequence) WHERE status = 'pending';
CREATE INDEX job_running ON job (worker_id) WHERE status = 'running';
CREATE INDEX job_unfinished ON job (mode, kind, status) WHERE {_UNFINISHED};
CREATE INDEX job_by_status ON job (status, sequence);
CREATE INDEX job_by_kind ON job (kind, sequence);
CREATE INDEX job_by_kind_and_status ON job (kind, status, sequence);
CREATE INDEX job_finished ON job (finished_at) WHERE finished_at IS NOT NULL;
CREATE INDEX job_expiring ON job (expires_at) WHERE expires_at IS NOT NULL;
CREATE TABLE counted (
    mode text COLLATE "C" NOT NULL,
    kind text COLLATE "C" NOT NULL,
    status text COLLATE "C" NOT NULL,
    shard integer NOT NULL,
    jobs bigint NOT NULL,
    bytes bigint NOT NULL,
    PRIMARY KEY (shard, mode, kind, status)
) WITH (fillfactor = 50);
CREATE TABLE removed (at timestamptz NOT NULL, words text[] NOT NULL);
CREATE INDEX removed_lately ON removed (at);
CREATE TABLE worker (
    worker_id text PRIMARY KEY,
    mode text NOT NULL,
    kinds text[] NOT NULL,
    slots integer NOT NULL,
    alive_until timestamptz NOT NULL
);
CREATE TABLE throttle (account text PRIMARY KEY, state json NOT NULL);
CREATE TABLE login (
    account text PRIMARY KEY,
    number bigint GENERATED ALWAYS AS IDENTITY,
    sealed bytea NOT NULL
);
CREATE TABLE codes (account text PRIMARY KEY, step bigint NOT NULL);
CREATE TABLE refusal (
    account text NOT NULL,
    digest text NOT NULL,
    reason text NOT NULL,
    refused_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (account, digest)
)
"""

# Jobs are counted as they come, end and go, since looking through a million takes a tenth of a second; those
# that wait or run together, as `unfinished`. A transaction counts in a shard that nobody else has, so that it
# waits for nobody, nor in a ring; it finds its own again. What comes or goes together is counted together: to
# change one row again and again takes longer each time.
_ADDED = (
    "ON CONFLICT (shard, mode, kind, status)"
    " DO UPDATE SET jobs = known.jobs + excluded.jobs, bytes = known.bytes + excluded.bytes"
)
_COUNTING = f"""
CREATE FUNCTION own_shard() RETURNS integer LANGUAGE plpgsql AS $$
DECLARE
    first integer := pg_backend_pid() % {SHARDS};
BEGIN
    FOR shard IN first .. first + {SHARDS - 1} LOOP
        IF pg_try_advisory_xact_lock({COUNTING}, shard % {SHARDS}) THEN
            RETURN shard % {SHARDS};
        END IF;
    END LOOP;
    PERFORM pg_advisory_xact_lock({COUNTING}, first);
    RETURN first;
END $$;
CREATE FUNCTION count_change() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    sign integer := CASE TG_OP WHEN 'INSERT' THEN 1 ELSE -1 END;
    mine integer := {SCHEMA}.own_shard();
BEGIN
    INSERT INTO {SCHEMA}.counted AS known
        SELECT mode, kind, CASE WHEN finished_at IS NULL THEN 'unfinished' ELSE status END AS state, mine,
            sign * count(*), sign * sum(size) FROM changed GROUP BY mode, kind, state
        {_ADDED};
    RETURN NULL;
END $$;
CREATE FUNCTION count_end() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    mine integer := {SCHEMA}.own_shard();
BEGIN
    INSERT INTO {SCHEMA}.counted AS known
        VALUES (NEW.mode, NEW.kind, 'unfinished', mine, -1, 0),
            (NEW.mode, NEW.kind, NEW.status, mine, 1, NEW.size)
        {_ADDED};
    RETURN NULL;
END $$;
CREATE TRIGGER came AFTER INSERT ON job REFERENCING NEW TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION count_change();
CREATE TRIGGER went AFTER DELETE ON job REFERENCING OLD TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION count_change();
CREATE TRIGGER ended AFTER UPDATE ON job FOR EACH ROW
    WHEN (OLD.finished_at IS NULL AND NEW.finished_at IS NOT NULL) EXECUTE FUNCTION count_end()
"""

# What is said need not outlive the server, so that its commit waits for no disk.
_SAYING = f"""
CREATE FUNCTION say(words text[]) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    PERFORM set_config('synchronous_commit', 'off', true);
    PERFORM pg_notify('{SCHEMA}', word) FROM unnest(words) word;
END $$
"""

_FORBIDDEN = (
    "SELECT relname FROM pg_class WHERE relnamespace = to_regnamespace(current_schema()) AND relkind = 'r'"
    " AND NOT has_table_privilege(oid, 'INSERT') ORDER BY relname"
)

# MIGRATIONS[n] leads from version n to n + 1.
MIGRATIONS: tuple[tuple[str, ...], ...] = ((_TABLES, _COUNTING, _SAYING, ARCHIVE), QUEUE)


async def prepare(connections: Connections) -> None:
    """Brings the schema up to date, where it is not. Raises DatabaseError."""
    try:
        connection = await connections.connect()
    except (psycopg.Error, TimeoutError) as error:
        raise DatabaseError(f"{SETTING}: the database cannot be reached ({reason(error)})") from error
    try:
        check_server(connection.info.server_version)
        if await _version(connection) != len(MIGRATIONS):
            await _migrate(connection)
        await _check_rights(connection)
    except psycopg.errors.InsufficientPrivilege as error:
        raise DatabaseError(
            f"{SETTING}: its user lacks a right ({reason(error)}); let the owner run `kameo-async migrate`,"
            f" then GRANT USAGE ON SCHEMA {SCHEMA} and ALL ON ALL TABLES and SEQUENCES in it"
        ) from error
    except psycopg.Error as error:
        raise DatabaseError(f"{SETTING}: the schema cannot be used ({reason(error)})") from error
    finally:
        await connection.close()


def check_server(version: int) -> None:
    """Raises DatabaseError for a PostgreSQL that is too old; `version` as 150004 for 15.4."""
    if version < OLDEST_SERVER:
        raise DatabaseError(
            f"{SETTING}: PostgreSQL {version // 10000} is too old;"
            f" {OLDEST_SERVER // 10000} or newer is needed"
        )


async def _check_rights(connection: Connection) -> None:
    """A user that is not the owner needs rights on what an upgrade brought, too."""
    names = [name for (name,) in await (await connection.execute(_FORBIDDEN)).fetchall()]
    if names:
        raise psycopg.errors.InsufficientPrivilege(f"permission denied for {', '.join(names)}")


async def _migrate(connection: Connection) -> None:
    """One process at a time; a second one finds the work done."""
    await connection.execute("SELECT pg_advisory_lock(%s)", (LOCK,))
    try:
        version = before = await _version(connection)
        if version > len(MIGRATIONS):
            raise DatabaseError(
                f"{SETTING}: the schema has version {version}, of a newer kameo-async; this one knows"
                f" {len(MIGRATIONS)} and must be upgraded"
            )
        for version, statements in enumerate(MIGRATIONS[before:], before + 1):
            await _step(connection, version, statements)
        if version != before:
            log.info("database.migrated", before=before, version=version)
    finally:
        await connection.execute("SELECT pg_advisory_unlock(%s)", (LOCK,))


async def _step(connection: Connection, version: int, statements: tuple[str, ...]) -> None:
    async with connection.transaction():
        if not await _exists(connection, "to_regnamespace", SCHEMA):
            await connection.execute(f"CREATE SCHEMA {SCHEMA}")
        await connection.execute("CREATE TABLE IF NOT EXISTS version (version integer NOT NULL)")
        for statement in statements:
            await connection.execute(statement)
        await connection.execute("DELETE FROM version")
        await connection.execute("INSERT INTO version VALUES (%s)", (version,))


async def _version(connection: Connection) -> int:
    """0 for a database that has none of our tables."""
    if not await _exists(connection, "to_regclass", f"{SCHEMA}.version"):
        return 0
    row = await (await connection.execute("SELECT max(version) FROM version")).fetchone()
    return int(row[0] or 0) if row else 0


async def _exists(connection: Connection, lookup: LiteralString, name: str) -> bool:
    row = await (await connection.execute(f"SELECT {lookup}(%s) IS NOT NULL", (name,))).fetchone()
    return row is not None and bool(row[0])
