-- name: prepare
-- The region's shards are there, and relays that died long ago are not.
WITH gone AS (
    DELETE FROM event_relay WHERE region = %(region)s AND seen_until < now() - interval '1 hour'
)
INSERT INTO event_relay_shard (region, shard)
SELECT %(region)s, g FROM generate_series(0, %(shards)s - 1) AS g
    ON CONFLICT (region, shard) DO NOTHING;

-- name: live
-- This relay lives; how many do?
WITH me AS (
    INSERT INTO event_relay (region, relay_id, seen_until)
    VALUES (%(region)s, %(relay)s, now() + %(lease)s * interval '1 second')
        ON CONFLICT (region, relay_id) DO UPDATE SET seen_until = EXCLUDED.seen_until
)
SELECT count(*) FROM event_relay WHERE region = %(region)s AND relay_id <> %(relay)s AND seen_until > now();

-- name: renew
UPDATE event_relay_shard
   SET lease_until = now() + %(lease)s * interval '1 second'
 WHERE region = %(region)s AND relay_id = %(relay)s AND shard = ANY(%(shards)s::int2[]) AND lease_until > now()
RETURNING shard;

-- name: claim
-- Shards that nobody has, or whose relay has not been heard of for the time of its lease.
UPDATE event_relay_shard s
   SET relay_id = %(relay)s, lease_until = now() + %(lease)s * interval '1 second'
  FROM (SELECT shard
          FROM event_relay_shard
         WHERE region = %(region)s AND (relay_id IS NULL OR lease_until <= now())
         ORDER BY shard
         LIMIT %(most)s
           FOR UPDATE SKIP LOCKED) AS free
 WHERE s.region = %(region)s AND s.shard = free.shard
RETURNING s.shard;

-- name: release
UPDATE event_relay_shard
   SET relay_id = NULL, lease_until = now()
 WHERE region = %(region)s AND relay_id = %(relay)s AND shard = ANY(%(shards)s::int2[]);

-- name: leave
DELETE FROM event_relay WHERE region = %(region)s AND relay_id = %(relay)s;

-- name: horizon
-- Where events that are not done may be, in time. Known days keep a statement from planning for all of them; and a
-- transaction that began long ago is found at the next look.
SELECT least(now() - interval '1 hour',
             (SELECT created_at FROM event_production_log
               WHERE region = %(region)s AND status = 'PENDING' ORDER BY created_at LIMIT 1),
             (SELECT created_at FROM event_production_log
               WHERE region = %(region)s AND status = 'PUBLISHING' ORDER BY created_at LIMIT 1)),
       now() + interval '1 hour';

-- name: take_back
-- What the shards' last relay had taken and not published, or not said so.
UPDATE event_production_log
   SET status = 'PENDING', updated_at = now()
 WHERE region = %(region)s AND created_at >= %(since)s AND created_at < %(until)s
   AND status = 'PUBLISHING' AND shard = ANY(%(shards)s::int2[]);

-- name: held
-- The fence: whoever takes the shards over waits until this transaction has ended.
SELECT shard
  FROM event_relay_shard
 WHERE region = %(region)s AND relay_id = %(relay)s AND shard = ANY(%(shards)s::int2[]) AND lease_until > now()
   FOR SHARE;

-- name: take
-- The oldest events that may go. By status and not from a place in the sequence on: a transaction that commits late
-- is not passed over. What waits for another try keeps the later events of its key behind it.
WITH waiting AS MATERIALIZED (
    SELECT topic, event_key, id
      FROM event_production_log
     WHERE region = %(region)s AND created_at >= %(since)s AND created_at < %(until)s
       AND status = 'PENDING' AND next_attempt_at > now()
), due AS MATERIALIZED (
    SELECT l.event_id, l.created_at
      FROM event_production_log l
     WHERE l.region = %(region)s AND l.created_at >= %(since)s AND l.created_at < %(until)s
       AND l.status = 'PENDING' AND l.shard = ANY(%(shards)s::int2[])
       AND (l.next_attempt_at IS NULL OR l.next_attempt_at <= now())
       AND NOT EXISTS (SELECT FROM waiting w WHERE w.topic = l.topic AND w.event_key = l.event_key AND w.id < l.id)
     ORDER BY l.id
     LIMIT %(limit)s
)
UPDATE event_production_log l
   SET status = 'PUBLISHING', updated_at = now()
  FROM due
 WHERE l.region = %(region)s AND l.event_id = due.event_id AND l.created_at = due.created_at
   AND l.created_at >= %(since)s AND l.created_at < %(until)s
RETURNING l.id, l.event_id, l.created_at, l.service_name, l.topic, l.event_key, l.event_type, l.payload::text,
          l.correlation_id, l.shard, l.retry_count, l.max_retries;

-- name: taken
-- What this relay has taken: after a commit whose answer was lost.
SELECT l.id, l.event_id, l.created_at, l.service_name, l.topic, l.event_key, l.event_type, l.payload::text,
       l.correlation_id, l.shard, l.retry_count, l.max_retries
  FROM event_production_log l
 WHERE l.region = %(region)s AND l.created_at >= %(since)s AND l.created_at < %(until)s
   AND l.status = 'PUBLISHING' AND l.shard = ANY(%(shards)s::int2[]);

-- name: published
UPDATE event_production_log l
   SET status = 'PUBLISHED', partition_number = k.partition, "offset" = k.place, published_at = now(),
       updated_at = now(), error_message = NULL, next_attempt_at = NULL
  FROM unnest(%(event_ids)s::text[], %(created)s::timestamptz[], %(partitions)s::int4[], %(offsets)s::int8[])
       AS k (event_id, created_at, partition, place)
 WHERE l.region = %(region)s AND l.event_id = k.event_id AND l.created_at = k.created_at
   AND l.created_at >= %(oldest)s AND l.created_at <= %(newest)s
   AND l.status = 'PUBLISHING' AND l.shard = ANY(%(shards)s::int2[]);

-- name: unpublished
UPDATE event_production_log l
   SET status = k.status, retry_count = k.tries, updated_at = now(),
       error_message = coalesce(k.error, l.error_message),
       next_attempt_at = now() + k.pause * interval '1 second'
  FROM unnest(%(event_ids)s::text[], %(created)s::timestamptz[], %(statuses)s::text[], %(tries)s::int4[],
              %(errors)s::text[], %(pauses)s::float8[]) AS k (event_id, created_at, status, tries, error, pause)
 WHERE l.region = %(region)s AND l.event_id = k.event_id AND l.created_at = k.created_at
   AND l.created_at >= %(oldest)s AND l.created_at <= %(newest)s
   AND l.status = 'PUBLISHING' AND l.shard = ANY(%(shards)s::int2[]);

-- name: anything
SELECT EXISTS (SELECT FROM event_production_log
                WHERE region = %(region)s AND created_at >= %(since)s AND created_at < %(until)s
                  AND status = 'PENDING' AND (next_attempt_at IS NULL OR next_attempt_at <= now()));
