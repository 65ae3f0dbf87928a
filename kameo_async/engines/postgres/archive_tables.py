"""The archive's tables: those of archive/sqlite.py, with a source in each row that has no other owner."""

from kameo_async.engines.postgres.connections import SCHEMA

_SOURCE = f"current_setting('{SCHEMA}.source')"
_COLUMN = f'source text COLLATE "C" NOT NULL DEFAULT {_SOURCE}'

ARCHIVE = f"""
CREATE TABLE archive_fetches (
    {_COLUMN},
    id bigint GENERATED ALWAYS AS IDENTITY,
    seen_at bigint NOT NULL,
    countries text NOT NULL,
    is_whole integer NOT NULL,
    PRIMARY KEY (source, id)
);
CREATE TABLE facts (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    title text NOT NULL,
    amount text NOT NULL,
    interest_rate text,
    duration_months bigint,
    risk_score text,
    min_amount text,
    state text,
    opens_at text,
    closes_at text,
    teaser text
);
CREATE TABLE archive_sightings (
    {_COLUMN},
    loan_id bigint NOT NULL,
    fetch_id bigint NOT NULL,
    facts_id bigint NOT NULL,
    subscribed_amount text,
    PRIMARY KEY (source, loan_id, fetch_id)
);
CREATE TABLE archive_listed (
    {_COLUMN},
    countries text NOT NULL,
    loan_id bigint NOT NULL,
    fetch_id bigint NOT NULL,
    PRIMARY KEY (source, countries, loan_id)
);
CREATE VIEW fetches AS SELECT id, seen_at, countries, is_whole FROM archive_fetches WHERE source = {_SOURCE};
CREATE VIEW sightings AS
    SELECT loan_id, fetch_id, facts_id, subscribed_amount FROM archive_sightings WHERE source = {_SOURCE};
CREATE VIEW listed AS SELECT countries, loan_id, fetch_id FROM archive_listed WHERE source = {_SOURCE}
"""
