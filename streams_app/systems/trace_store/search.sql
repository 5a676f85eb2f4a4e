-- name: search
-- Newest first. What is asked for decides which index serves: GIN for what is rare, the one of time for what is common.
WITH page AS (
    SELECT event_id, session_id, correlation_id, parent_correlation_id, event_type, topic, "timestamp", status,
           processing_time_ms, payload, metadata
      FROM event_logs
     WHERE region = %(region)s AND "timestamp" >= %(since)s AND "timestamp" < %(until)s
       AND (%(payload)s::jsonb IS NULL OR payload @> %(payload)s::jsonb)
       AND (%(metadata)s::jsonb IS NULL OR metadata @> %(metadata)s::jsonb)
     ORDER BY "timestamp" DESC, event_id DESC
     LIMIT %(limit)s
), measured AS (
    SELECT page.*, sum(pg_column_size(payload)) OVER (ORDER BY "timestamp" DESC, event_id DESC ROWS UNBOUNDED PRECEDING) AS held
      FROM page
)
SELECT event_id, session_id, correlation_id, parent_correlation_id, event_type, topic, "timestamp", status,
       processing_time_ms, payload::text, metadata::text, held
  FROM measured
 WHERE held - pg_column_size(payload) < %(bytes)s
 ORDER BY "timestamp" DESC, event_id DESC;

-- name: search_after
-- An event of the same time and id in a region of a lower rank comes after the place.
WITH page AS (
    SELECT event_id, session_id, correlation_id, parent_correlation_id, event_type, topic, "timestamp", status,
           processing_time_ms, payload, metadata
      FROM event_logs
     WHERE region = %(region)s AND "timestamp" >= %(since)s AND "timestamp" < %(until)s
       AND "timestamp" <= %(after_time)s
       AND ("timestamp", event_id, %(rank)s::int4) < (%(after_time)s, %(after_id)s, 1)
       AND (%(payload)s::jsonb IS NULL OR payload @> %(payload)s::jsonb)
       AND (%(metadata)s::jsonb IS NULL OR metadata @> %(metadata)s::jsonb)
     ORDER BY "timestamp" DESC, event_id DESC
     LIMIT %(limit)s
), measured AS (
    SELECT page.*, sum(pg_column_size(payload)) OVER (ORDER BY "timestamp" DESC, event_id DESC ROWS UNBOUNDED PRECEDING) AS held
      FROM page
)
SELECT event_id, session_id, correlation_id, parent_correlation_id, event_type, topic, "timestamp", status,
       processing_time_ms, payload::text, metadata::text, held
  FROM measured
 WHERE held - pg_column_size(payload) < %(bytes)s
 ORDER BY "timestamp" DESC, event_id DESC;

-- name: slow_topics
SELECT topic, event_count, failed_count, success_count, avg_processing_time_ms::float8, p95_processing_time_ms,
       max_processing_time_ms
  FROM event_logs_topic_performance
 WHERE region = %(region)s
 ORDER BY avg_processing_time_ms DESC NULLS LAST, topic
 LIMIT %(limit)s;

-- name: sessions
SELECT region, session_id, first_event_at, last_event_at, duration_ms, total_events, requests, responses, failed,
       correlations, success_rate, avg_ms, p50_ms, p95_ms, p99_ms, max_ms, refreshed_at
  FROM event_session_metrics
 WHERE region = %(region)s
 ORDER BY last_event_at DESC, session_id
 LIMIT %(limit)s;

-- name: sessions_after
SELECT region, session_id, first_event_at, last_event_at, duration_ms, total_events, requests, responses, failed,
       correlations, success_rate, avg_ms, p50_ms, p95_ms, p99_ms, max_ms, refreshed_at
  FROM event_session_metrics
 WHERE region = %(region)s AND last_event_at <= %(after_time)s
   AND (last_event_at < %(after_time)s OR session_id > %(after_id)s)
 ORDER BY last_event_at DESC, session_id
 LIMIT %(limit)s;
