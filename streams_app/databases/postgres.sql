-- PostgreSQL alone.

-- name: lock_session
SELECT pg_advisory_lock(%s);

-- name: unlock_session
SELECT pg_advisory_unlock(%s);
