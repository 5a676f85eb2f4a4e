-- A published row that Debezium writes anew on every heartbeat, so that the slot of an idle outbox still advances.
CREATE TABLE trades.debezium_heartbeat (
    beat_ts timestamptz PRIMARY KEY
);

-- What Debezium reads: only what is new; changes of a row are no events.
CREATE PUBLICATION streams_steps FOR TABLE trades.execution, trades.debezium_heartbeat
    WITH (publish = 'insert', publish_via_partition_root = true);

GRANT SELECT, INSERT, DELETE ON trades.debezium_heartbeat TO streams_replication;

-- Nobody but the domain's own role, its owner, and those who read or replicate comes into this database.
DO $$
BEGIN
    EXECUTE format('REVOKE CONNECT ON DATABASE %I FROM PUBLIC', current_database());
    EXECUTE format('GRANT CONNECT ON DATABASE %I TO streams_trades, streams_readonly, streams_replication',
                   current_database());
END
$$;

GRANT USAGE ON SCHEMA trades TO streams_trades, streams_readonly, streams_replication;

GRANT SELECT ON trades.market_order TO streams_trades, streams_readonly;

GRANT SELECT ON trades.execution TO streams_trades, streams_readonly, streams_replication;

GRANT INSERT, UPDATE ON trades.market_order TO streams_trades;

GRANT INSERT ON trades.execution TO streams_trades;

-- What a worker checks before it starts.
GRANT SELECT ON schema_migration TO streams_trades, streams_readonly;
