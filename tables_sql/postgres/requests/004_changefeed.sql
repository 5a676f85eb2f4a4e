-- A published row that Debezium rewrites on every heartbeat, so that the slot of an idle region still advances.
CREATE TABLE debezium_heartbeat (
    id      int4 PRIMARY KEY,
    beat_ts timestamptz NOT NULL
);

CREATE PUBLICATION streams_requests
    FOR TABLE request_info, request_status_head, request_signal, debezium_heartbeat;
