GRANT USAGE ON SCHEMA app TO streams_app, streams_readonly, streams_replication;

GRANT SELECT ON app.orders, app.outbox TO streams_app, streams_readonly;

GRANT SELECT ON app.outbox TO streams_replication;

GRANT INSERT, UPDATE ON app.orders TO streams_app;

-- Append-only: an event that was written is never changed.
GRANT INSERT ON app.outbox TO streams_app;

-- ON CONFLICT reads what is there.
GRANT SELECT, INSERT, UPDATE ON app.debezium_heartbeat TO streams_replication;
