-- The log and the head of the requests system, without what only other tables need (foreign keys, the sweeper's indexes).
CREATE TABLE status_log (
    locality             int2 NOT NULL,
    request_id           uuid NOT NULL,
    seq_num              int8 NOT NULL,
    action_state_link_id int8 NOT NULL,
    status_id            int4 NOT NULL,
    event_ts             timestamptz NOT NULL,
    actor                text NOT NULL,
    metadata             jsonb NOT NULL,
    idempotency_key      text NOT NULL,
    PRIMARY KEY (locality, request_id, seq_num)
);

CREATE TABLE status_head (
    locality             int2 NOT NULL,
    request_id           uuid NOT NULL,
    seq_num              int8 NOT NULL,
    action_state_link_id int8 NOT NULL,
    status_id            int4 NOT NULL,
    event_ts             timestamptz NOT NULL,
    PRIMARY KEY (locality, request_id)
) WITH (fillfactor = 80);

GRANT SELECT, INSERT ON status_log TO streams_app;
GRANT SELECT, INSERT, UPDATE ON status_head TO streams_app;
