-- name: create
CREATE TABLE IF NOT EXISTS schema_migration (
    system     text,
    name       text,
    checksum   text NOT NULL,
    applied_ts timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (system, name)
);

-- name: read
SELECT system, name, checksum FROM schema_migration;

-- name: add
INSERT INTO schema_migration (system, name, checksum) VALUES (%s, %s, %s);
