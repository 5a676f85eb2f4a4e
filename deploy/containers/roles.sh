#!/bin/sh
# Makes the roles and the database at the first start of a PostgreSQL container. The tables are made later.
set -eu
psql -v ON_ERROR_STOP=1 --username postgres <<'SQL'
SET password_encryption = 'scram-sha-256';
\set owner `cat /run/secrets/streams_owner`
\set app `cat /run/secrets/streams_app`
\set readonly `cat /run/secrets/streams_readonly`
\set replication `cat /run/secrets/streams_replication`
CREATE ROLE streams_owner LOGIN PASSWORD :'owner';
CREATE ROLE streams_app LOGIN PASSWORD :'app';
CREATE ROLE streams_readonly LOGIN PASSWORD :'readonly';
CREATE ROLE streams_replication LOGIN REPLICATION PASSWORD :'replication';
CREATE DATABASE streams OWNER streams_owner;
SQL
