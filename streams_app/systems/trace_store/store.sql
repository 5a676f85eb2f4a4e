-- name: copy
-- PostgreSQL only: a fifth less work than `add`, as long as no row is there already.
COPY event_logs (region, event_id, session_id, correlation_id, parent_correlation_id, event_type, topic, "timestamp",
                 status, processing_time_ms, payload, metadata) FROM STDIN;

-- name: add
-- An event that is there already, delivered again, is left as it is.
INSERT INTO event_logs (region, event_id, session_id, correlation_id, parent_correlation_id, event_type, topic,
                        "timestamp", status, processing_time_ms, payload, metadata)
SELECT %(region)s, k.event_id, k.session_id, k.correlation_id, k.parent, k.event_type, k.topic, k.at, k.status, k.ms,
       k.payload::jsonb, k.metadata::jsonb
  FROM unnest(%(event_ids)s::uuid[], %(sessions)s::uuid[], %(correlations)s::uuid[], %(parents)s::uuid[],
              %(types)s::text[], %(topics)s::text[], %(times)s::timestamptz[], %(statuses)s::text[],
              %(milliseconds)s::int4[], %(payloads)s::text[], %(metadata)s::text[])
       AS k (event_id, session_id, correlation_id, parent, event_type, topic, at, status, ms, payload, metadata)
    ON CONFLICT DO NOTHING
RETURNING event_id::text;

-- name: touch
-- The sessions' figures are worked out again.
INSERT INTO event_session_touched (region, session_id)
SELECT %(region)s, session_id FROM unnest(%(sessions)s::uuid[]) AS k (session_id);

-- name: others
-- Of events that were there already: those whose id stands for another payload.
SELECT k.n
  FROM unnest(%(numbers)s::int4[], %(event_ids)s::uuid[], %(times)s::timestamptz[], %(payloads)s::text[])
       AS k (n, event_id, at, payload)
  JOIN event_logs l ON l.region = %(region)s AND l.event_id = k.event_id AND l."timestamp" = k.at
 WHERE l."timestamp" >= %(since)s AND l."timestamp" <= %(until)s AND l.payload <> k.payload::jsonb;

-- name: lock_refresh
-- One refresh of a region at a time: a later one must not be overwritten by an earlier one's figures.
SELECT region FROM event_session_refresh WHERE region = %(region)s FOR UPDATE SKIP LOCKED;

-- name: prepare_refresh
INSERT INTO event_session_refresh (region, refreshed_at) VALUES (%(region)s, now()) ON CONFLICT (region) DO NOTHING;

-- name: take_touched
-- What can be seen now; what commits later stays for the next refresh.
DELETE FROM event_session_touched
 WHERE region = %(region)s
   AND id IN (SELECT id FROM event_session_touched WHERE region = %(region)s ORDER BY id LIMIT %(limit)s)
RETURNING session_id::text;

-- name: refresh
INSERT INTO event_session_metrics (region, session_id, first_event_at, last_event_at, duration_ms, total_events,
                                   requests, responses, failed, correlations, success_rate, avg_ms, p50_ms, p95_ms,
                                   p99_ms, max_ms)
SELECT %(region)s, l.session_id, min(l."timestamp"), max(l."timestamp"),
       (extract(epoch FROM max(l."timestamp") - min(l."timestamp")) * 1000)::int8, count(*),
       count(*) FILTER (WHERE l.event_type = 'request'), count(*) FILTER (WHERE l.event_type = 'response'),
       count(*) FILTER (WHERE l.status = 'failed'), count(DISTINCT l.correlation_id),
       count(*) FILTER (WHERE l.event_type = 'response' AND l.status <> 'failed')::float8
           / nullif(count(*) FILTER (WHERE l.event_type IN ('response', 'error')), 0),
       avg(l.processing_time_ms)::float8,
       percentile_cont(0.5) WITHIN GROUP (ORDER BY l.processing_time_ms),
       percentile_cont(0.95) WITHIN GROUP (ORDER BY l.processing_time_ms),
       percentile_cont(0.99) WITHIN GROUP (ORDER BY l.processing_time_ms), max(l.processing_time_ms)
  FROM event_logs l
 WHERE l.region = %(region)s AND l.session_id = ANY(%(sessions)s::uuid[])
 GROUP BY l.session_id
    ON CONFLICT (region, session_id) DO UPDATE
   SET first_event_at = EXCLUDED.first_event_at, last_event_at = EXCLUDED.last_event_at,
       duration_ms = EXCLUDED.duration_ms, total_events = EXCLUDED.total_events, requests = EXCLUDED.requests,
       responses = EXCLUDED.responses, failed = EXCLUDED.failed, correlations = EXCLUDED.correlations,
       success_rate = EXCLUDED.success_rate, avg_ms = EXCLUDED.avg_ms, p50_ms = EXCLUDED.p50_ms,
       p95_ms = EXCLUDED.p95_ms, p99_ms = EXCLUDED.p99_ms, max_ms = EXCLUDED.max_ms, refreshed_at = now();
