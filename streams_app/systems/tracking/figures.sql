-- name: backlog
-- What is not done, by state, through the partial indexes of both logs: old days have little in them.
SELECT 'produced' AS side, status, count(*) AS events,
       (extract(epoch FROM now() - min(created_at)))::float8 AS oldest_seconds
  FROM event_production_log
 WHERE region = %(region)s AND status IN ('PENDING', 'PUBLISHING', 'FAILED')
 GROUP BY status
UNION ALL
SELECT 'consumed' AS side, status, count(*) AS events,
       (extract(epoch FROM now() - min(created_at)))::float8 AS oldest_seconds
  FROM event_consumption_log
 WHERE region = %(region)s AND status IN ('RECEIVED', 'PROCESSING', 'FAILED')
 GROUP BY status;

-- name: days
-- The days of each log that are partitions, and today (UTC). Both regions and logs are told apart by the database.
SELECT (now() AT TIME ZONE 'utc')::date AS today, c.relname AS name
  FROM pg_catalog.pg_inherits i
  JOIN pg_catalog.pg_class c ON c.oid = i.inhrelid
  JOIN pg_catalog.pg_class p ON p.oid = i.inhparent
 WHERE p.relname IN ('event_production_log', 'event_consumption_log');

-- name: produced
-- What became of the events of the last seconds, counted by service, state and step of time (5 %% each).
SELECT service_name AS service, status, bucket, count(*) AS events, sum(retried) AS retried,
       sum(milliseconds) AS milliseconds
  FROM (SELECT service_name, status,
               CASE WHEN retry_count > 0 THEN 1 ELSE 0 END AS retried,
               m.milliseconds,
               floor(ln(greatest(m.milliseconds, 1.0)) * 20)::int4 AS bucket
          FROM event_production_log,
               LATERAL (SELECT (extract(epoch FROM published_at - created_at))::float8 * 1000 AS milliseconds) AS m
         WHERE region = %(region)s AND created_at >= now() - %(seconds)s::float8 * interval '1 second') AS e
 GROUP BY service_name, status, bucket;

-- name: consumed
SELECT service_name AS service, status, bucket, count(*) AS events, sum(retried) AS retried,
       sum(milliseconds) AS milliseconds
  FROM (SELECT service_name, status,
               CASE WHEN retry_count > 0 THEN 1 ELSE 0 END AS retried,
               processing_time_ms::float8 AS milliseconds,
               floor(ln(greatest(processing_time_ms::float8, 1.0)) * 20)::int4 AS bucket
          FROM event_consumption_log
         WHERE region = %(region)s AND created_at >= now() - %(seconds)s::float8 * interval '1 second') AS e
 GROUP BY service_name, status, bucket;
