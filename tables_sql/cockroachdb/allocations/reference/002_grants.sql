-- Checked: the grammar, by CockroachDB's own parser (25.2). Not checked: types, names and behaviour on a server.
GRANT USAGE ON SCHEMA reference TO streams_reference, streams_readonly, streams_replication;

GRANT SELECT ON TABLE reference.security TO streams_reference, streams_readonly;

GRANT INSERT ON TABLE reference.security TO streams_reference;

-- What a worker checks before it starts.
GRANT SELECT ON schema_migration TO streams_reference, streams_readonly;
