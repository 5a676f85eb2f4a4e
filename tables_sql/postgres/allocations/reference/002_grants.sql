-- Nobody but the domain's own role, its owner, and those who read or replicate comes into this database.
DO $$
BEGIN
    EXECUTE format('REVOKE CONNECT ON DATABASE %I FROM PUBLIC', current_database());
    EXECUTE format('GRANT CONNECT ON DATABASE %I TO streams_reference, streams_readonly, streams_replication',
                   current_database());
END
$$;

GRANT USAGE ON SCHEMA reference TO streams_reference, streams_readonly, streams_replication;

GRANT SELECT ON reference.security TO streams_reference, streams_readonly;

GRANT INSERT ON reference.security TO streams_reference;

-- What a worker checks before it starts.
GRANT SELECT ON schema_migration TO streams_reference, streams_readonly;
