-- name: count
SELECT count(*) FROM event_logs;

-- name: settle
VACUUM (ANALYZE) event_logs;

-- name: copy
COPY event_logs (region, event_id, session_id, correlation_id, parent_correlation_id, event_type, topic, "timestamp",
                 status, processing_time_ms, payload, metadata) FROM STDIN;

-- name: long_sessions
-- Those that have about a thousand events, the nearest first.
SELECT session_id::text, count(*) FROM event_logs GROUP BY session_id ORDER BY abs(count(*) - 1000), session_id LIMIT 12;

-- name: exchanges
SELECT correlation_id::text FROM event_logs WHERE correlation_id IS NOT NULL AND event_type = 'request'
 ORDER BY md5(correlation_id::text) LIMIT 100;

-- name: make_rows
CREATE TABLE benchmark_rows (LIKE event_logs INCLUDING DEFAULTS INCLUDING CONSTRAINTS);
ALTER TABLE benchmark_rows ADD PRIMARY KEY (event_id, "timestamp");

-- name: drop_rows
DROP TABLE IF EXISTS benchmark_rows;

-- name: copy_rows
COPY benchmark_rows (region, event_id, session_id, correlation_id, parent_correlation_id, event_type, topic,
                     "timestamp", status, processing_time_ms, payload, metadata) FROM STDIN;

-- name: btree
CREATE INDEX ON benchmark_rows (session_id);
CREATE INDEX ON benchmark_rows (correlation_id);
CREATE INDEX ON benchmark_rows ("timestamp" DESC);
CREATE INDEX ON benchmark_rows (event_type);
CREATE INDEX ON benchmark_rows (topic);
CREATE INDEX ON benchmark_rows (session_id, "timestamp" DESC, event_id DESC);

-- name: gin
CREATE INDEX ON benchmark_rows USING gin (payload);
CREATE INDEX ON benchmark_rows USING gin (metadata);

-- name: gin_path
CREATE INDEX ON benchmark_rows USING gin (payload jsonb_path_ops);
CREATE INDEX ON benchmark_rows USING gin (metadata jsonb_path_ops);

-- name: gin_at_once
CREATE INDEX ON benchmark_rows USING gin (payload) WITH (fastupdate = off);
CREATE INDEX ON benchmark_rows USING gin (metadata) WITH (fastupdate = off);

-- name: clean_pending
-- What GIN indexes have put off belongs to the insert.
SELECT sum(gin_clean_pending_list(i.indexrelid))
  FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_am a ON a.oid = c.relam AND a.amname = 'gin'
 WHERE i.indrelid = 'benchmark_rows'::regclass;

-- name: sizes
SELECT pg_table_size('benchmark_rows'), pg_indexes_size('benchmark_rows');
