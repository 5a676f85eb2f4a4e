-- Events, heads and signals of requests, in the region of the request.
-- Checked: the grammar, by CockroachDB's own parser (25.2). Not checked: types, names and behaviour on a server.
-- Append-only: what happened to each request, one row a transition, numbered from 1 without gaps.
CREATE TABLE request_event_log (
    locality             INT2 NOT NULL CHECK (locality BETWEEN 0 AND 29),
    request_id           UUID NOT NULL,
    seq_num              INT8 NOT NULL CHECK (seq_num >= 1),
    action_state_link_id INT8 NOT NULL REFERENCES request_action_state_link (action_state_link_id),
    status_id            INT4 NOT NULL REFERENCES request_status (status_id),
    event_ts             TIMESTAMPTZ NOT NULL,
    actor                STRING NOT NULL,
    metadata             JSONB NOT NULL DEFAULT '{}',
    idempotency_key      STRING NOT NULL,
    computed_region     crdb_internal_region NOT VISIBLE NOT NULL AS (
        CASE WHEN locality BETWEEN 0 AND 9 THEN 'us-east'
             WHEN locality BETWEEN 10 AND 19 THEN 'us-central'
             ELSE 'us-west' END::crdb_internal_region) STORED,
    PRIMARY KEY (locality, request_id, seq_num),
    -- Per locality, as every key: a request never changes its locality, so this is per request.
    UNIQUE (locality, request_id, action_state_link_id, idempotency_key),
    -- "Latest event per request": CockroachDB reads backwards more slowly than forwards, so the order is turned round.
    INDEX request_event_log_latest (locality, request_id, seq_num DESC)
        STORING (action_state_link_id, status_id, event_ts),
    INDEX request_event_log_incomplete (locality, status_id, event_ts DESC) WHERE status_id IN (1, 2)
) LOCALITY REGIONAL BY ROW AS computed_region;

-- The projection of each request's current state, moved in the same transaction as the log.
CREATE TABLE request_status_head (
    locality             INT2 NOT NULL CHECK (locality BETWEEN 0 AND 29),
    request_id           UUID NOT NULL,
    action_state_link_id INT8 NOT NULL REFERENCES request_action_state_link (action_state_link_id),
    status_id            INT4 NOT NULL REFERENCES request_status (status_id),
    event_ts             TIMESTAMPTZ NOT NULL,
    seq_num              INT8 NOT NULL CHECK (seq_num >= 1),
    computed_region     crdb_internal_region NOT VISIBLE NOT NULL AS (
        CASE WHEN locality BETWEEN 0 AND 9 THEN 'us-east'
             WHEN locality BETWEEN 10 AND 19 THEN 'us-central'
             ELSE 'us-west' END::crdb_internal_region) STORED,
    PRIMARY KEY (locality, request_id),
    -- "All incomplete requests", oldest first within a step, over all localities of the region: what the sweeper reads.
    -- With the locality in front they would come in ten sorted runs; behind, as part of the key, it is a mere filter.
    INDEX request_status_head_incomplete (action_state_link_id, event_ts) WHERE status_id IN (1, 2)
) LOCALITY REGIONAL BY ROW AS computed_region;

-- Append-only: what the outside world says of a request (approval, refusal, documents, cancellation).
CREATE TABLE request_signal (
    locality            INT2 NOT NULL CHECK (locality BETWEEN 0 AND 29),
    request_id          UUID NOT NULL,
    signal_id           UUID NOT NULL,
    kind                STRING NOT NULL CHECK (kind IN ('approve', 'reject', 'documents', 'cancel')),
    actor               STRING NOT NULL,
    payload             JSONB NOT NULL DEFAULT '{}',
    created_ts          TIMESTAMPTZ NOT NULL DEFAULT now(),
    computed_region     crdb_internal_region NOT VISIBLE NOT NULL AS (
        CASE WHEN locality BETWEEN 0 AND 9 THEN 'us-east'
             WHEN locality BETWEEN 10 AND 19 THEN 'us-central'
             ELSE 'us-west' END::crdb_internal_region) STORED,
    -- Unique in its request: the usual id follows from the request and the kind.
    PRIMARY KEY (locality, request_id, signal_id)
) LOCALITY REGIONAL BY ROW AS computed_region;
