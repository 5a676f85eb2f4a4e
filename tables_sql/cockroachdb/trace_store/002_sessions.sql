-- Figures of each session, worked out apart from the ingest, for the sessions that have new events.
-- Checked: the grammar, by CockroachDB's own parser (25.2). Not checked: types, names and behaviour on a server.
CREATE TABLE event_session_metrics (
    region            STRING NOT NULL,
    session_id        UUID NOT NULL,
    first_event_at    TIMESTAMPTZ NOT NULL,
    last_event_at     TIMESTAMPTZ NOT NULL,
    duration_ms       INT8 NOT NULL,
    total_events      INT8 NOT NULL,
    requests          INT8 NOT NULL,
    responses         INT8 NOT NULL,
    failed            INT8 NOT NULL,
    correlations      INT8 NOT NULL,
    success_rate      FLOAT8,
    avg_ms            FLOAT8,
    p50_ms            FLOAT8,
    p95_ms            FLOAT8,
    p99_ms            FLOAT8,
    max_ms            INT4,
    refreshed_at      TIMESTAMPTZ NOT NULL DEFAULT now(),
    computed_region   crdb_internal_region NOT VISIBLE NOT NULL AS (region::crdb_internal_region) STORED,
    PRIMARY KEY (region, session_id)
) LOCALITY REGIONAL BY ROW AS computed_region;

CREATE INDEX event_session_metrics_last ON event_session_metrics (region, last_event_at DESC, session_id);

-- Sessions that have new events: one row for each transaction that wrote some, without a key. A refresh removes those
-- that it can see, so that what commits meanwhile stays for the next one.
CREATE TABLE event_session_touched (
    id              INT8 NOT NULL DEFAULT unique_rowid(),
    region          STRING NOT NULL,
    session_id      UUID NOT NULL,
    computed_region crdb_internal_region NOT VISIBLE NOT NULL AS (region::crdb_internal_region) STORED,
    PRIMARY KEY (region, id)
) LOCALITY REGIONAL BY ROW AS computed_region;

-- Whoever has locked a region's row refreshes it.
CREATE TABLE event_session_refresh (
    region          STRING NOT NULL,
    refreshed_at    TIMESTAMPTZ NOT NULL DEFAULT now(),
    computed_region crdb_internal_region NOT VISIBLE NOT NULL AS (region::crdb_internal_region) STORED,
    PRIMARY KEY (region)
) LOCALITY REGIONAL BY ROW AS computed_region;
