-- name: failed_page
-- The next events of a region that were given up, oldest first.
SELECT event_id, created_at
  FROM event_production_log
 WHERE region = %(region)s AND status = 'FAILED'
   AND created_at >= %(since)s AND created_at < %(until)s
   AND (%(event_ids)s::text[] IS NULL OR event_id = ANY(%(event_ids)s::text[]))
   AND (%(topic)s::text IS NULL OR topic = %(topic)s)
   AND (%(service)s::text IS NULL OR service_name = %(service)s)
   AND (created_at, event_id) > (%(after_time)s, %(after_id)s)
 ORDER BY created_at, event_id
 LIMIT %(limit)s;

-- name: count_failed
SELECT count(*)
  FROM event_production_log
 WHERE region = %(region)s AND status = 'FAILED'
   AND created_at >= %(since)s AND created_at < %(until)s
   AND (%(event_ids)s::text[] IS NULL OR event_id = ANY(%(event_ids)s::text[]))
   AND (%(topic)s::text IS NULL OR topic = %(topic)s)
   AND (%(service)s::text IS NULL OR service_name = %(service)s);

-- name: retry
-- Only what is still FAILED: what somebody else let try again is on its way. The last error stays to be read.
UPDATE event_production_log AS p
   SET status = 'PENDING', retry_count = 0, next_attempt_at = NULL, updated_at = now(),
       metadata = coalesce(p.metadata, '{}'::jsonb) || jsonb_build_object('retried_at', now(), 'retry_id', %(retry_id)s::text)
  FROM unnest(%(event_ids)s::text[], %(created)s::timestamptz[]) AS k (event_id, created_at)
 WHERE p.region = %(region)s AND p.event_id = k.event_id AND p.created_at = k.created_at AND p.status = 'FAILED'
RETURNING p.event_id;

-- name: retried
-- What one call of `retry` changed, when nobody knows whether it was committed.
SELECT p.event_id
  FROM event_production_log AS p
  JOIN unnest(%(event_ids)s::text[], %(created)s::timestamptz[]) AS k (event_id, created_at)
    ON p.event_id = k.event_id AND p.created_at = k.created_at
 WHERE p.region = %(region)s AND p.metadata->>'retry_id' = %(retry_id)s::text;
