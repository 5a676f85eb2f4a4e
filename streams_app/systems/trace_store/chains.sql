-- name: exchanges
-- The events of some exchanges, oldest first.
WITH page AS (
    SELECT event_id, session_id, correlation_id, parent_correlation_id, event_type, topic, "timestamp", status,
           processing_time_ms, payload, metadata
      FROM event_logs
     WHERE region = %(region)s AND correlation_id = ANY(%(ids)s)
     ORDER BY "timestamp", event_id
     LIMIT %(limit)s
), measured AS (
    SELECT page.*, sum(pg_column_size(payload)) OVER (ORDER BY "timestamp", event_id ROWS UNBOUNDED PRECEDING) AS held
      FROM page
)
SELECT * FROM measured WHERE held - pg_column_size(payload) < %(bytes)s ORDER BY "timestamp", event_id;

-- name: followers
-- Which exchanges followed from some others.
SELECT DISTINCT correlation_id
  FROM event_logs
 WHERE region = %(region)s AND parent_correlation_id = ANY(%(ids)s) AND correlation_id IS NOT NULL
 LIMIT %(limit)s;
