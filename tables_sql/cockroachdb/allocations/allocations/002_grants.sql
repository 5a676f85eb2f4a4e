-- Checked: the grammar, by CockroachDB's own parser (25.2). Not checked: types, names and behaviour on a server.
GRANT USAGE ON SCHEMA allocations TO streams_allocations, streams_readonly, streams_replication;

GRANT SELECT ON TABLE allocations.block_order, allocations.execution, allocations.snapshot, allocations.part,
    allocations.part_due, allocations.allocation, allocations.fill TO streams_allocations, streams_readonly;

GRANT INSERT ON TABLE allocations.snapshot, allocations.fill TO streams_allocations;

GRANT INSERT, UPDATE ON TABLE allocations.block_order, allocations.execution, allocations.part, allocations.part_due,
    allocations.allocation TO streams_allocations;

-- What a worker checks before it starts.
GRANT SELECT ON schema_migration TO streams_allocations, streams_readonly;
