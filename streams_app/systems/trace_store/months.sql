-- name: add_months
SELECT event_logs_add_months(now() - %(days)s * interval '1 day', %(ahead)s::int4);

-- name: partitions
-- Every month, those too that were taken out of the store and not dropped.
SELECT c.relname, i.inhrelid IS NOT NULL, coalesce(i.inhdetachpending, false), greatest(c.reltuples, 0)::int8,
       pg_total_relation_size(c.oid)
  FROM pg_class c
  LEFT JOIN pg_inherits i ON i.inhrelid = c.oid AND i.inhparent = 'event_logs'::regclass
 WHERE c.relkind = 'r' AND c.relnamespace = 'public'::regnamespace AND c.relname ~ '^event_logs_[0-9]{6}$'
 ORDER BY c.relname;

-- name: forget_sessions
-- Figures of sessions that have no events any more.
DELETE FROM event_session_metrics
 WHERE region = %(region)s
   AND session_id IN (SELECT session_id FROM event_session_metrics
                       WHERE region = %(region)s AND last_event_at < %(until)s LIMIT %(limit)s);
