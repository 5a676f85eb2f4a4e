-- Checked: the grammar, by CockroachDB's own parser (25.2). Not checked: types, names and behaviour on a server.
GRANT USAGE ON SCHEMA holdings TO streams_holdings, streams_readonly, streams_replication;

GRANT SELECT ON TABLE holdings.model, holdings.model_target, holdings.account, holdings.position,
    holdings.eligibility_group, holdings.rebalance, holdings.slice, holdings.customer_order, holdings.booked_part,
    holdings.settlement, holdings.closing, holdings.booking_break TO streams_holdings, streams_readonly;

GRANT INSERT ON TABLE holdings.model, holdings.model_target, holdings.customer_order, holdings.booked_part
    TO streams_holdings;

GRANT INSERT, UPDATE ON TABLE holdings.account, holdings.position, holdings.eligibility_group, holdings.rebalance,
    holdings.slice, holdings.settlement, holdings.closing, holdings.booking_break TO streams_holdings;

GRANT DELETE ON TABLE holdings.eligibility_group TO streams_holdings;

-- What a worker checks before it starts.
GRANT SELECT ON schema_migration TO streams_holdings, streams_readonly;
