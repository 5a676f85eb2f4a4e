-- Checked: the grammar, by CockroachDB's own parser (25.2). Not checked: types, names and behaviour on a server.
GRANT USAGE ON SCHEMA app TO streams_app, pgb, streams_readonly, streams_replication;

GRANT SELECT ON TABLE app.orders, app.outbox TO streams_app, pgb, streams_readonly;

GRANT SELECT ON TABLE app.outbox TO streams_replication;

GRANT INSERT, UPDATE ON TABLE app.orders TO streams_app, pgb;

-- Append-only: an event that was written is never changed.
GRANT INSERT ON TABLE app.outbox TO streams_app, pgb;
