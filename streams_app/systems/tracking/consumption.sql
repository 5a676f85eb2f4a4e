-- name: receive
-- Events that this group has not seen are written down; what became of the others is not touched.
WITH e AS MATERIALIZED (
    SELECT *
      FROM unnest(%(event_ids)s::text[], %(topics)s::text[], %(partitions)s::int4[], %(offsets)s::int8[],
                  %(keys)s::text[], %(types)s::text[], %(payloads)s::text[], %(correlation_ids)s::text[],
                  %(digests)s::text[])
        AS e (event_id, topic, partition, place, event_key, event_type, payload, correlation_id, digest)
), added AS (
    INSERT INTO event_consumption_key (region, consumer_group, event_id, digest)
    SELECT %(region)s, %(group)s, e.event_id, e.digest FROM e ORDER BY e.event_id
        ON CONFLICT (region, consumer_group, event_id) DO NOTHING
    RETURNING event_id
)
INSERT INTO event_consumption_log (region, event_id, service_name, topic, partition_number, "offset", consumer_group,
                                   event_type, event_key, payload, status, max_retries, correlation_id, received_at)
SELECT %(region)s, e.event_id, %(service)s, e.topic, e.partition, e.place, %(group)s, e.event_type, e.event_key,
       e.payload::jsonb, 'RECEIVED', %(max_retries)s, e.correlation_id, now()
  FROM e
  JOIN added ON added.event_id = e.event_id
RETURNING event_id;

-- name: find_open
-- Where the rows of events are that are not processed.
SELECT event_id, created_at
  FROM event_consumption_key
 WHERE region = %(region)s AND consumer_group = %(group)s AND event_id = ANY(%(event_ids)s::text[])
   AND processed_at IS NULL;

-- name: begin
UPDATE event_consumption_log l
   SET status = 'PROCESSING', updated_at = now()
  FROM unnest(%(event_ids)s::text[], %(created)s::timestamptz[]) AS k (event_id, created_at)
 WHERE l.region = %(region)s AND l.event_id = k.event_id AND l.consumer_group = %(group)s
   AND l.created_at = k.created_at AND l.created_at >= %(oldest)s AND l.created_at <= %(newest)s
   AND l.status <> 'PROCESSED';

-- name: claim
-- The idempotency check: an event is this transaction's, or was processed, or its id stands for another payload. Who
-- asks at the same moment waits until this transaction has ended. A key that is new has no row in the log yet.
INSERT INTO event_consumption_key AS k (region, consumer_group, event_id, digest, processed_at)
SELECT %(region)s, %(group)s, e.event_id, e.digest, now()
  FROM unnest(%(event_ids)s::text[], %(digests)s::text[]) AS e (event_id, digest)
 ORDER BY e.event_id
    ON CONFLICT (region, consumer_group, event_id) DO UPDATE SET processed_at = now()
 WHERE k.processed_at IS NULL AND k.digest = excluded.digest
RETURNING k.event_id, k.created_at, k.created_at = now();

-- name: find_others
-- Events whose id is known with another digest: another payload, or the same one written otherwise (1e2 and 100).
SELECT k.event_id, k.created_at
  FROM unnest(%(event_ids)s::text[], %(digests)s::text[]) AS e (event_id, digest)
  JOIN event_consumption_key k
    ON k.region = %(region)s AND k.consumer_group = %(group)s AND k.event_id = e.event_id
 WHERE k.digest <> e.digest;

-- name: find_same
-- The server compares what digests cannot.
SELECT l.event_id
  FROM unnest(%(event_ids)s::text[], %(created)s::timestamptz[], %(payloads)s::text[]) AS k (event_id, created_at, payload)
  JOIN event_consumption_log l
    ON l.region = %(region)s AND l.event_id = k.event_id AND l.consumer_group = %(group)s
   AND l.created_at = k.created_at
 WHERE l.created_at >= %(oldest)s AND l.created_at <= %(newest)s AND l.payload = k.payload::jsonb;

-- name: adopt
UPDATE event_consumption_key k
   SET digest = e.digest
  FROM unnest(%(event_ids)s::text[], %(digests)s::text[]) AS e (event_id, digest)
 WHERE k.region = %(region)s AND k.consumer_group = %(group)s AND k.event_id = e.event_id AND k.processed_at IS NULL;

-- name: finish
UPDATE event_consumption_log l
   SET status = 'PROCESSED', processed_at = now(), updated_at = now(), processing_time_ms = %(ms)s,
       error_message = NULL, error_stack_trace = NULL
  FROM unnest(%(event_ids)s::text[], %(created)s::timestamptz[]) AS k (event_id, created_at)
 WHERE l.region = %(region)s AND l.event_id = k.event_id AND l.consumer_group = %(group)s
   AND l.created_at = k.created_at AND l.created_at >= %(oldest)s AND l.created_at <= %(newest)s;

-- name: write_outcome
-- The whole way of new events in one row each, written when it is over.
INSERT INTO event_consumption_log (region, event_id, service_name, topic, partition_number, "offset", consumer_group,
                                   event_type, event_key, payload, status, max_retries, correlation_id, received_at,
                                   processed_at, processing_time_ms)
SELECT %(region)s, e.event_id, %(service)s, e.topic, e.partition, e.place, %(group)s, e.event_type, e.event_key,
       e.payload::jsonb, 'PROCESSED', %(max_retries)s, e.correlation_id, now() - %(ms)s * interval '1 millisecond',
       now(), %(ms)s
  FROM unnest(%(event_ids)s::text[], %(topics)s::text[], %(partitions)s::int4[], %(offsets)s::int8[], %(keys)s::text[],
              %(types)s::text[], %(payloads)s::text[], %(correlation_ids)s::text[])
    AS e (event_id, topic, partition, place, event_key, event_type, payload, correlation_id);

-- name: rewrite_outcome
-- The same of events that have a row, or had none because nothing was written of their topic then.
INSERT INTO event_consumption_log (region, event_id, service_name, topic, partition_number, "offset", consumer_group,
                                   event_type, event_key, payload, status, max_retries, correlation_id, received_at,
                                   created_at, processed_at, processing_time_ms)
SELECT %(region)s, e.event_id, %(service)s, e.topic, e.partition, e.place, %(group)s, e.event_type, e.event_key,
       e.payload::jsonb, 'PROCESSED', %(max_retries)s, e.correlation_id, now() - %(ms)s * interval '1 millisecond',
       e.created_at, now(), %(ms)s
  FROM unnest(%(event_ids)s::text[], %(topics)s::text[], %(partitions)s::int4[], %(offsets)s::int8[], %(keys)s::text[],
              %(types)s::text[], %(payloads)s::text[], %(correlation_ids)s::text[], %(created)s::timestamptz[])
    AS e (event_id, topic, partition, place, event_key, event_type, payload, correlation_id, created_at)
    ON CONFLICT (region, event_id, consumer_group, created_at) DO UPDATE
   SET status = 'PROCESSED', processed_at = now(), updated_at = now(), processing_time_ms = excluded.processing_time_ms,
       error_message = NULL, error_stack_trace = NULL;

-- name: fail
-- Not processed, and why. An event that was processed meanwhile stays so.
WITH k AS (
    INSERT INTO event_consumption_key AS k (region, consumer_group, event_id, digest)
    SELECT %(region)s, %(group)s, e.event_id, e.digest
      FROM unnest(%(event_ids)s::text[], %(digests)s::text[]) AS e (event_id, digest)
     ORDER BY e.event_id
        ON CONFLICT (region, consumer_group, event_id) DO UPDATE SET processed_at = NULL
     WHERE k.processed_at IS NULL AND k.digest = excluded.digest
    RETURNING k.event_id, k.created_at
)
INSERT INTO event_consumption_log AS l (region, event_id, service_name, topic, partition_number, "offset",
                                        consumer_group, event_type, event_key, payload, status, retry_count,
                                        max_retries, error_message, error_stack_trace, correlation_id, received_at,
                                        created_at)
SELECT %(region)s, e.event_id, %(service)s, e.topic, e.partition, e.place, %(group)s, e.event_type, e.event_key,
       e.payload::jsonb, 'FAILED', %(tries)s, %(max_retries)s, %(error)s, %(stack)s, e.correlation_id, now(),
       k.created_at
  FROM unnest(%(event_ids)s::text[], %(topics)s::text[], %(partitions)s::int4[], %(offsets)s::int8[], %(keys)s::text[],
              %(types)s::text[], %(payloads)s::text[], %(correlation_ids)s::text[])
    AS e (event_id, topic, partition, place, event_key, event_type, payload, correlation_id)
  JOIN k ON k.event_id = e.event_id
    ON CONFLICT (region, event_id, consumer_group, created_at) DO UPDATE
   SET status = 'FAILED', retry_count = excluded.retry_count, error_message = excluded.error_message,
       error_stack_trace = excluded.error_stack_trace, updated_at = now();

-- name: note_conflict
-- Beside the event that has the id: where another payload came under it.
UPDATE event_consumption_log l
   SET metadata = coalesce(l.metadata, '{}')
                  || jsonb_build_object('conflicts', coalesce(l.metadata -> 'conflicts', '{}')
                                                     || jsonb_build_object(e.origin, e.payload::jsonb)),
       updated_at = now()
  FROM unnest(%(event_ids)s::text[], %(payloads)s::text[], %(origins)s::text[]) AS e (event_id, payload, origin)
  JOIN event_consumption_key k
    ON k.region = %(region)s AND k.consumer_group = %(group)s AND k.event_id = e.event_id
 WHERE l.region = %(region)s AND l.event_id = e.event_id AND l.consumer_group = %(group)s
   AND l.created_at = k.created_at;
