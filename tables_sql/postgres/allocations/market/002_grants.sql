-- Nobody but the domain's own role, its owner, and those who read or replicate comes into this database.
DO $$
BEGIN
    EXECUTE format('REVOKE CONNECT ON DATABASE %I FROM PUBLIC', current_database());
    EXECUTE format('GRANT CONNECT ON DATABASE %I TO streams_market, streams_readonly, streams_replication',
                   current_database());
END
$$;

GRANT USAGE ON SCHEMA market TO streams_market, streams_readonly, streams_replication;

GRANT SELECT ON market.daily_price TO streams_market, streams_readonly;

GRANT INSERT ON market.daily_price TO streams_market;

-- What a worker checks before it starts.
GRANT SELECT ON schema_migration TO streams_market, streams_readonly;
