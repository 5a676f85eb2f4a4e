-- name: add_days
SELECT app.outbox_add_days(%(ahead)s);

-- name: partitions
-- Every day, those too that were taken out of the outbox and not dropped.
SELECT c.relname, i.inhrelid IS NOT NULL, coalesce(i.inhdetachpending, false), greatest(c.reltuples, 0)::int8
  FROM pg_class c
  LEFT JOIN pg_inherits i ON i.inhrelid = c.oid AND i.inhparent = 'app.outbox'::regclass
 WHERE c.relkind = 'r' AND c.relnamespace = 'app'::regnamespace AND c.relname ~ '^outbox_[0-9]{8}$'
 ORDER BY c.relname;
