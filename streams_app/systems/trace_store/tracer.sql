-- name: trace
-- A page of a session, oldest first: the index is read backwards. A page ends after the event that makes it reach so
-- many bytes of payloads, as they lie in the table.
-- A limit that the planner cannot know makes it take the first rows in the order of the index; of one that is as long as
-- a session it thinks that sorting is cheaper.
WITH page AS (
    SELECT event_id, session_id, correlation_id, parent_correlation_id, event_type, topic, "timestamp", status,
           processing_time_ms, payload, metadata
      FROM event_logs
     WHERE region = %(region)s AND session_id = %(session)s AND "timestamp" >= %(since)s
     ORDER BY "timestamp", event_id
     LIMIT (SELECT %(limit)s::int8)
), measured AS (
    SELECT page.*, sum(pg_column_size(payload)) OVER (ORDER BY "timestamp", event_id ROWS UNBOUNDED PRECEDING) AS held
      FROM page
)
SELECT event_id, session_id, correlation_id, parent_correlation_id, event_type, topic, "timestamp", status,
       processing_time_ms, payload::text, metadata::text, held
  FROM measured
 WHERE held - pg_column_size(payload) < %(bytes)s
 ORDER BY "timestamp", event_id;

-- name: trace_after
WITH page AS (
    SELECT event_id, session_id, correlation_id, parent_correlation_id, event_type, topic, "timestamp", status,
           processing_time_ms, payload, metadata
      FROM event_logs
     WHERE region = %(region)s AND session_id = %(session)s AND "timestamp" >= %(since)s
       AND ("timestamp", event_id) > (%(after_time)s, %(after_id)s)
     ORDER BY "timestamp", event_id
     LIMIT (SELECT %(limit)s::int8)
), measured AS (
    SELECT page.*, sum(pg_column_size(payload)) OVER (ORDER BY "timestamp", event_id ROWS UNBOUNDED PRECEDING) AS held
      FROM page
)
SELECT event_id, session_id, correlation_id, parent_correlation_id, event_type, topic, "timestamp", status,
       processing_time_ms, payload::text, metadata::text, held
  FROM measured
 WHERE held - pg_column_size(payload) < %(bytes)s
 ORDER BY "timestamp", event_id;

-- name: extent
SELECT count(*), coalesce(min("timestamp"), %(since)s), coalesce(max("timestamp"), %(since)s)
  FROM event_logs
 WHERE region = %(region)s AND session_id = %(session)s AND "timestamp" >= %(since)s;

-- name: metrics
-- One read of the session, then its events as a whole, by type and by topic. Not by GROUPING SETS: CockroachDB has none.
WITH held AS MATERIALIZED (
    SELECT event_type, topic, status, processing_time_ms, correlation_id, "timestamp"
      FROM event_logs
     WHERE region = %(region)s AND session_id = %(session)s
)
SELECT 'all' AS kind, '' AS name, count(*), count(*) FILTER (WHERE status = 'failed'), count(processing_time_ms),
       avg(processing_time_ms)::float8, percentile_cont(0.5) WITHIN GROUP (ORDER BY processing_time_ms),
       percentile_cont(0.95) WITHIN GROUP (ORDER BY processing_time_ms),
       percentile_cont(0.99) WITHIN GROUP (ORDER BY processing_time_ms), max(processing_time_ms),
       count(DISTINCT correlation_id), min("timestamp"), max("timestamp"),
       count(*) FILTER (WHERE event_type = 'response' AND status <> 'failed')::float8
           / nullif(count(*) FILTER (WHERE event_type IN ('response', 'error')), 0)
  FROM held
UNION ALL
SELECT 'type', event_type, count(*), count(*) FILTER (WHERE status = 'failed'), count(processing_time_ms),
       avg(processing_time_ms)::float8, percentile_cont(0.5) WITHIN GROUP (ORDER BY processing_time_ms),
       percentile_cont(0.95) WITHIN GROUP (ORDER BY processing_time_ms),
       percentile_cont(0.99) WITHIN GROUP (ORDER BY processing_time_ms), max(processing_time_ms),
       NULL, NULL, NULL, NULL
  FROM held
 GROUP BY event_type
UNION ALL
SELECT 'topic', topic, count(*), count(*) FILTER (WHERE status = 'failed'), count(processing_time_ms),
       avg(processing_time_ms)::float8, percentile_cont(0.5) WITHIN GROUP (ORDER BY processing_time_ms),
       percentile_cont(0.95) WITHIN GROUP (ORDER BY processing_time_ms),
       percentile_cont(0.99) WITHIN GROUP (ORDER BY processing_time_ms), max(processing_time_ms),
       NULL, NULL, NULL, NULL
  FROM held
 GROUP BY topic
 ORDER BY kind, name;

-- name: timeline
SELECT "timestamp", event_type, topic, status, correlation_id, processing_time_ms
  FROM event_logs
 WHERE region = %(region)s AND session_id = %(session)s
 ORDER BY "timestamp", event_id
 LIMIT (SELECT %(limit)s::int8);
