-- A published row that Debezium writes anew on every heartbeat, so that the slot of an idle outbox still advances.
CREATE TABLE allocations.debezium_heartbeat (
    beat_ts timestamptz PRIMARY KEY
);

-- What Debezium reads: only what is new; changes of a row are no events.
CREATE PUBLICATION streams_steps FOR TABLE event_production_log, allocations.debezium_heartbeat
    WITH (publish = 'insert', publish_via_partition_root = true);

GRANT SELECT, INSERT, DELETE ON allocations.debezium_heartbeat TO streams_replication;

-- Nobody but the domain's own role, its owner, and those who read or replicate comes into this database.
DO $$
BEGIN
    EXECUTE format('REVOKE CONNECT ON DATABASE %I FROM PUBLIC', current_database());
    EXECUTE format('GRANT CONNECT ON DATABASE %I TO streams_allocations, streams_readonly, streams_replication',
                   current_database());
END
$$;

GRANT USAGE ON SCHEMA allocations TO streams_allocations, streams_readonly, streams_replication;

GRANT SELECT ON allocations.block_order, allocations.execution, allocations.snapshot, allocations.part,
    allocations.part_due, allocations.allocation, allocations.fill TO streams_allocations, streams_readonly;

GRANT INSERT ON allocations.snapshot, allocations.fill TO streams_allocations;

GRANT INSERT, UPDATE ON allocations.block_order, allocations.execution, allocations.part, allocations.part_due,
    allocations.allocation TO streams_allocations;

-- What a worker checks before it starts.
GRANT SELECT ON schema_migration TO streams_allocations, streams_readonly;
