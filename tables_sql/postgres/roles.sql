-- Run once by an administrator of the server, before the first migration. Passwords are set apart from this file.
--   streams_owner        owns the tables; only `migrate` logs in as it
--   streams_app          workers, generators and commands
--   streams_readonly     verify, dashboards, people who look
--   streams_replication  Debezium
DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'streams_owner') THEN
        CREATE ROLE streams_owner LOGIN;
    END IF;
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'streams_app') THEN
        CREATE ROLE streams_app LOGIN;
    END IF;
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'streams_readonly') THEN
        CREATE ROLE streams_readonly LOGIN;
    END IF;
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'streams_replication') THEN
        CREATE ROLE streams_replication LOGIN REPLICATION;
    END IF;
END
$$;

-- A reader that is given more rights by mistake still cannot write.
ALTER ROLE streams_readonly SET default_transaction_read_only = on;

-- A role for each domain of allocations, which alone may connect to the domain's database. It has what the application
-- has in the logs of events and fences there.
DO $$
DECLARE
    domain text;
BEGIN
    FOREACH domain IN ARRAY ARRAY['reference', 'market', 'holdings', 'orders', 'trades', 'allocations'] LOOP
        IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'streams_' || domain) THEN
            EXECUTE format('CREATE ROLE %I LOGIN', 'streams_' || domain);
        END IF;
        EXECUTE format('GRANT streams_app TO %I', 'streams_' || domain);
    END LOOP;
END
$$;
