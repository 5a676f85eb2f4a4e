-- Run once by an administrator, before the first schema file. Passwords are set apart from this file.
-- Checked: the grammar, by CockroachDB's own parser (25.2). Not checked: types, names and behaviour on a server.
--   streams_owner        owns the tables
--   streams_app          workers, generators and commands
--   pgb                  the pooler's user, where PgBouncer logs in as one user: the same rights as streams_app
--   streams_readonly     verify, dashboards, people who look
--   streams_replication  owns the changefeeds
CREATE ROLE IF NOT EXISTS streams_owner WITH LOGIN;
CREATE ROLE IF NOT EXISTS streams_app WITH LOGIN;
CREATE ROLE IF NOT EXISTS pgb WITH LOGIN;
CREATE ROLE IF NOT EXISTS streams_readonly WITH LOGIN;
CREATE ROLE IF NOT EXISTS streams_replication WITH LOGIN;

CREATE DATABASE IF NOT EXISTS streams OWNER streams_owner;

-- One database over three regions; the loss of one region stops nothing.
ALTER DATABASE streams SET PRIMARY REGION 'us-east';
ALTER DATABASE streams ADD REGION IF NOT EXISTS 'us-central';
ALTER DATABASE streams ADD REGION IF NOT EXISTS 'us-west';
ALTER DATABASE streams SURVIVE REGION FAILURE;

-- A reader that is given more rights by mistake still cannot write.
ALTER ROLE streams_readonly SET default_transaction_read_only = on;
