-- A published row that Debezium rewrites on every heartbeat, so that the slot of an idle outbox still advances.
CREATE TABLE app.debezium_heartbeat (
    id      int4 PRIMARY KEY,
    beat_ts timestamptz NOT NULL
);

-- What Debezium reads: events under the name of the table and not of its days. Nobody may change them; deletes are none.
CREATE PUBLICATION streams_orders FOR TABLE app.outbox, app.debezium_heartbeat
    WITH (publish = 'insert, update', publish_via_partition_root = true);
