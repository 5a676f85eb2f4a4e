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

-- name: indexes
-- Every index of the store, over all months: its size, and how often it was used since the statistics began.
SELECT p.relname, sum(pg_relation_size(s.indexrelid))::int8, sum(s.idx_scan)::int8, sum(s.idx_tup_read)::int8
  FROM pg_stat_user_indexes s
  JOIN pg_inherits i ON i.inhrelid = s.indexrelid
  JOIN pg_class p ON p.oid = i.inhparent
 WHERE s.schemaname = 'public' AND s.relname ~ '^event_logs_[0-9]{6}$'
 GROUP BY p.relname
 ORDER BY 2 DESC;

-- name: tables
-- Every month and the tables beside them: rows, bytes of rows and of indexes, dead rows, and when they were cleaned.
SELECT s.relname, s.n_live_tup, pg_table_size(s.relid), pg_indexes_size(s.relid), s.n_dead_tup,
       greatest(s.last_vacuum, s.last_autovacuum), greatest(s.last_analyze, s.last_autoanalyze)
  FROM pg_stat_user_tables s
 WHERE s.schemaname = 'public' AND (s.relname ~ '^event_logs_[0-9]{6}$' OR s.relname LIKE 'event\_session\_%%')
 ORDER BY s.relname;

-- name: has_statements
SELECT to_regclass('pg_stat_statements') IS NOT NULL;

-- name: statements
-- The slowest statements about the store, as pg_stat_statements has them.
SELECT round(mean_exec_time::numeric, 2)::float8, calls, rows, left(regexp_replace(query, '\s+', ' ', 'g'), 200)
  FROM pg_stat_statements
 WHERE query LIKE '%%event_logs%%' OR query LIKE '%%event_session%%'
 ORDER BY mean_exec_time DESC
 LIMIT %(limit)s;
