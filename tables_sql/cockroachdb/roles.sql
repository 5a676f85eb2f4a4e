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

-- The domains of allocations: a database each, and a role that alone may connect to it. It has what the application has
-- in the logs of events and fences there.
CREATE ROLE IF NOT EXISTS streams_reference WITH LOGIN;
CREATE ROLE IF NOT EXISTS streams_market WITH LOGIN;
CREATE ROLE IF NOT EXISTS streams_holdings WITH LOGIN;
CREATE ROLE IF NOT EXISTS streams_orders WITH LOGIN;
CREATE ROLE IF NOT EXISTS streams_trades WITH LOGIN;
CREATE ROLE IF NOT EXISTS streams_allocations WITH LOGIN;

GRANT streams_app TO streams_reference, streams_market, streams_holdings, streams_orders, streams_trades,
    streams_allocations;

CREATE DATABASE IF NOT EXISTS reference OWNER streams_owner;
CREATE DATABASE IF NOT EXISTS market OWNER streams_owner;
CREATE DATABASE IF NOT EXISTS holdings OWNER streams_owner;
CREATE DATABASE IF NOT EXISTS orders OWNER streams_owner;
CREATE DATABASE IF NOT EXISTS trades OWNER streams_owner;
CREATE DATABASE IF NOT EXISTS allocations OWNER streams_owner;

REVOKE CONNECT ON DATABASE reference, market, holdings, orders, trades, allocations FROM public;

GRANT CONNECT ON DATABASE reference TO streams_reference;
GRANT CONNECT ON DATABASE market TO streams_market;
GRANT CONNECT ON DATABASE holdings TO streams_holdings;
GRANT CONNECT ON DATABASE orders TO streams_orders;
GRANT CONNECT ON DATABASE trades TO streams_trades;
GRANT CONNECT ON DATABASE allocations TO streams_allocations;

GRANT CONNECT ON DATABASE reference, market, holdings, orders, trades, allocations
    TO streams_readonly, streams_replication;
