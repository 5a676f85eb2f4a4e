-- Figures of each session, worked out apart from the ingest. A materialized view would read the whole store at every
-- refresh; this reads the sessions that have new events. Readers see the figures before or after, and never wait.
CREATE TABLE event_session_metrics (
    region            text NOT NULL,
    session_id        uuid NOT NULL,
    first_event_at    timestamptz NOT NULL,
    last_event_at     timestamptz NOT NULL,
    duration_ms       int8 NOT NULL,
    total_events      int8 NOT NULL,
    requests          int8 NOT NULL,
    responses         int8 NOT NULL,
    failed            int8 NOT NULL,
    correlations      int8 NOT NULL,
    success_rate      float8,
    avg_ms            float8,
    p50_ms            float8,
    p95_ms            float8,
    p99_ms            float8,
    max_ms            int4,
    refreshed_at      timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (region, session_id)
);

CREATE INDEX event_session_metrics_last ON event_session_metrics (region, last_event_at DESC, session_id);

-- Sessions that have new events: one row for each transaction that wrote some, without a key. A refresh removes those
-- that it can see, so that what commits meanwhile stays for the next one.
CREATE TABLE event_session_touched (
    id         int8 GENERATED ALWAYS AS IDENTITY,
    region     text NOT NULL,
    session_id uuid NOT NULL,
    PRIMARY KEY (region, id)
);

-- Whoever has locked a region's row refreshes it.
CREATE TABLE event_session_refresh (
    region       text NOT NULL,
    refreshed_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (region)
);
