-- name: lock_session
-- PostgreSQL alone.
SELECT pg_advisory_lock(%s);

-- name: unlock_session
-- PostgreSQL alone.
SELECT pg_advisory_unlock(%s);

-- name: create_lease
CREATE TABLE IF NOT EXISTS schema_migration_lease (
    id       int4 PRIMARY KEY CHECK (id = 1),
    holder   text NOT NULL,
    taken_ts timestamptz NOT NULL
);

-- name: take_lease
INSERT INTO schema_migration_lease AS l (id, holder, taken_ts)
VALUES (1, %(holder)s, now())
    ON CONFLICT (id) DO UPDATE SET holder = excluded.holder, taken_ts = excluded.taken_ts
 WHERE l.taken_ts < now() - %(seconds)s::float8 * interval '1 second'
RETURNING l.holder;

-- name: give_lease_back
DELETE FROM schema_migration_lease WHERE holder = %(holder)s;
