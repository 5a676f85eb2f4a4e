-- A published row that Debezium writes anew on every heartbeat, so that the slot of an idle outbox still advances.
CREATE TABLE holdings.debezium_heartbeat (
    beat_ts timestamptz PRIMARY KEY
);

-- What Debezium reads: only what is new; changes of a row are no events.
CREATE PUBLICATION streams_steps FOR TABLE event_production_log, holdings.debezium_heartbeat
    WITH (publish = 'insert', publish_via_partition_root = true);

GRANT SELECT, INSERT, DELETE ON holdings.debezium_heartbeat TO streams_replication;

-- Nobody but the domain's own role, its owner, and those who read or replicate comes into this database.
DO $$
BEGIN
    EXECUTE format('REVOKE CONNECT ON DATABASE %I FROM PUBLIC', current_database());
    EXECUTE format('GRANT CONNECT ON DATABASE %I TO streams_holdings, streams_readonly, streams_replication',
                   current_database());
END
$$;

GRANT USAGE ON SCHEMA holdings TO streams_holdings, streams_readonly, streams_replication;

GRANT SELECT ON holdings.model, holdings.model_target, holdings.account, holdings.position, holdings.eligibility_group,
    holdings.rebalance, holdings.slice, holdings.customer_order, holdings.booked_part, holdings.settlement,
    holdings.closing, holdings.booking_break TO streams_holdings, streams_readonly;

GRANT INSERT ON holdings.model, holdings.model_target, holdings.customer_order, holdings.booked_part TO streams_holdings;

GRANT INSERT, UPDATE ON holdings.account, holdings.position, holdings.eligibility_group, holdings.rebalance,
    holdings.slice, holdings.settlement, holdings.closing, holdings.booking_break TO streams_holdings;

GRANT DELETE ON holdings.eligibility_group TO streams_holdings;

-- What a worker checks before it starts.
GRANT SELECT ON schema_migration TO streams_holdings, streams_readonly;
