-- Checked: the grammar, by CockroachDB's own parser (25.2). Not checked: types, names and behaviour on a server.
GRANT USAGE ON SCHEMA trades TO streams_trades, streams_readonly, streams_replication;

GRANT SELECT ON TABLE trades.market_order TO streams_trades, streams_readonly;

GRANT SELECT ON TABLE trades.execution TO streams_trades, streams_readonly;

GRANT SELECT, CHANGEFEED ON TABLE trades.execution TO streams_replication;

GRANT INSERT, UPDATE ON TABLE trades.market_order TO streams_trades;

GRANT INSERT ON TABLE trades.execution TO streams_trades;

-- What a worker checks before it starts.
GRANT SELECT ON schema_migration TO streams_trades, streams_readonly;
