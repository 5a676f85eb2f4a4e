-- Checked: the grammar, by CockroachDB's own parser (25.2). Not checked: types, names and behaviour on a server.
GRANT USAGE ON SCHEMA market TO streams_market, streams_readonly, streams_replication;

GRANT SELECT ON TABLE market.daily_price TO streams_market, streams_readonly;

GRANT INSERT ON TABLE market.daily_price TO streams_market;

-- What a worker checks before it starts.
GRANT SELECT ON schema_migration TO streams_market, streams_readonly;
