-- name: look
-- The events of some exchanges, oldest first; after them, without an event's id, which exchanges followed from some.
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
SELECT event_id, session_id, correlation_id, parent_correlation_id, event_type, topic, "timestamp", status,
       processing_time_ms, payload::text, metadata::text, held
  FROM measured
 WHERE held - pg_column_size(payload) < %(bytes)s
 UNION ALL
SELECT NULL, NULL, f.correlation_id, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL
  FROM (SELECT DISTINCT correlation_id
          FROM event_logs
         WHERE region = %(region)s AND parent_correlation_id = ANY(%(leaders)s) AND correlation_id IS NOT NULL
         LIMIT %(limit)s) AS f
 ORDER BY "timestamp", event_id;
