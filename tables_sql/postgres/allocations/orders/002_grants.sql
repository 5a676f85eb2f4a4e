-- A published row that Debezium writes anew on every heartbeat, so that the slot of an idle outbox still advances.
CREATE TABLE orders.debezium_heartbeat (
    beat_ts timestamptz PRIMARY KEY
);

-- What Debezium reads: only what is new; changes of a row are no events.
CREATE PUBLICATION streams_steps FOR TABLE event_production_log, orders.debezium_heartbeat
    WITH (publish = 'insert', publish_via_partition_root = true);

GRANT SELECT, INSERT, DELETE ON orders.debezium_heartbeat TO streams_replication;

-- Nobody but the domain's own role, its owner, and those who read or replicate comes into this database.
DO $$
BEGIN
    EXECUTE format('REVOKE CONNECT ON DATABASE %I FROM PUBLIC', current_database());
    EXECUTE format('GRANT CONNECT ON DATABASE %I TO streams_orders, streams_readonly, streams_replication',
                   current_database());
END
$$;

GRANT USAGE ON SCHEMA orders TO streams_orders, streams_readonly, streams_replication;

GRANT SELECT ON orders.rebalance, orders.routed_slice, orders.routed_quantity, orders.block_order TO streams_orders,
    streams_readonly;

GRANT INSERT ON orders.routed_slice, orders.routed_quantity TO streams_orders;

GRANT INSERT, UPDATE ON orders.rebalance, orders.block_order TO streams_orders;

-- What a worker checks before it starts.
GRANT SELECT ON schema_migration TO streams_orders, streams_readonly;
