-- name: find
SELECT k.event_id, k.created_at
  FROM event_production_key k
 WHERE k.region = %(region)s AND k.event_id = ANY(%(event_ids)s::text[]);

-- name: confirm
-- Seen on its topic. Where it was seen first stays.
UPDATE event_production_log l
   SET status = 'PUBLISHED', partition_number = k.partition, "offset" = k.place, published_at = now(),
       updated_at = now(), error_message = NULL, next_attempt_at = NULL
  FROM unnest(%(event_ids)s::text[], %(created)s::timestamptz[], %(partitions)s::int4[], %(offsets)s::int8[])
       AS k (event_id, created_at, partition, place)
 WHERE l.region = %(region)s AND l.event_id = k.event_id AND l.created_at = k.created_at
   AND l.created_at >= %(oldest)s AND l.created_at <= %(newest)s AND l.status <> 'PUBLISHED'
RETURNING l.event_id;
