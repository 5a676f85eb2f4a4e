-- PostgreSQL alone: the days as partitions.

-- name: partitions
-- Every day's table: whether its log still has it, whether its detachment was begun, rows by estimate, bytes.
SELECT c.relname, i.inhrelid IS NOT NULL AS attached, coalesce(i.inhdetachpending, false) AS detaching,
       nullif(c.reltuples, -1)::int8, pg_total_relation_size(c.oid)
  FROM pg_class c
  JOIN pg_namespace n ON n.oid = c.relnamespace AND n.nspname = 'public'
  LEFT JOIN pg_inherits i ON i.inhrelid = c.oid
 WHERE c.relkind = 'r' AND c.relname ~ '^event_(production|consumption)_log_[0-9]{8}$'
 ORDER BY c.relname;

-- name: add_days
SELECT event_log_add_days(%(ahead)s);
