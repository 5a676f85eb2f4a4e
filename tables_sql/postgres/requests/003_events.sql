-- Append-only: what happened to each request, one row a transition, numbered from 1 without gaps.
CREATE TABLE request_event_log (
    locality             int2 NOT NULL CHECK (locality BETWEEN 0 AND 29),
    request_id           uuid NOT NULL,
    seq_num              int8 NOT NULL CHECK (seq_num >= 1),
    action_state_link_id int8 NOT NULL REFERENCES request_action_state_link,
    status_id            int4 NOT NULL REFERENCES request_status,
    event_ts             timestamptz NOT NULL,
    actor                text NOT NULL,
    metadata             jsonb NOT NULL DEFAULT '{}',
    idempotency_key      text NOT NULL,
    -- The primary key read backwards answers "latest event per request" in one index step.
    PRIMARY KEY (locality, request_id, seq_num),
    -- Per locality, as every key: a request never changes its locality, so this is per request.
    UNIQUE (locality, request_id, action_state_link_id, idempotency_key)
);

CREATE INDEX request_event_log_incomplete
    ON request_event_log (locality, status_id, event_ts DESC) WHERE status_id IN (1, 2);

-- The projection of each request's current state, moved in the same transaction as the log.
CREATE TABLE request_status_head (
    locality             int2 NOT NULL CHECK (locality BETWEEN 0 AND 29),
    request_id           uuid NOT NULL,
    action_state_link_id int8 NOT NULL REFERENCES request_action_state_link,
    status_id            int4 NOT NULL REFERENCES request_status,
    event_ts             timestamptz NOT NULL,
    seq_num              int8 NOT NULL CHECK (seq_num >= 1),
    PRIMARY KEY (locality, request_id)
) WITH (fillfactor = 80);

-- "All incomplete requests", oldest first within a step, over all localities of the region: what the sweeper reads.
-- With the locality in front they would come in ten sorted runs; behind, it is a filter that needs no row.
CREATE INDEX request_status_head_incomplete
    ON request_status_head (action_state_link_id, event_ts) INCLUDE (locality, request_id) WHERE status_id IN (1, 2);

-- Append-only: what the outside world says of a request (approval, refusal, documents, cancellation).
-- A signal is applied when its key stands in request_event_log; before that it waits.
CREATE TABLE request_signal (
    locality   int2 NOT NULL CHECK (locality BETWEEN 0 AND 29),
    request_id uuid NOT NULL,
    signal_id  uuid NOT NULL,
    kind       text NOT NULL CHECK (kind IN ('approve', 'reject', 'documents', 'cancel')),
    actor      text NOT NULL,
    payload    jsonb NOT NULL DEFAULT '{}',
    created_ts timestamptz NOT NULL DEFAULT now(),
    -- Unique in its request: the usual id follows from the request and the kind.
    PRIMARY KEY (locality, request_id, signal_id)
);
