-- Checked: the grammar, by CockroachDB's own parser (25.2). Not checked: types, names and behaviour on a server.
GRANT USAGE ON SCHEMA orders TO streams_orders, streams_readonly, streams_replication;

GRANT SELECT ON TABLE orders.rebalance, orders.routed_slice, orders.routed_quantity, orders.block_order
    TO streams_orders, streams_readonly;

GRANT INSERT ON TABLE orders.routed_slice, orders.routed_quantity TO streams_orders;

GRANT INSERT, UPDATE ON TABLE orders.rebalance, orders.block_order TO streams_orders;

-- What a worker checks before it starts.
GRANT SELECT ON schema_migration TO streams_orders, streams_readonly;
