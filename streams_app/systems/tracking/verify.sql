-- The checks answer one column, `offender`: one row for each violation. They share one set of arguments (verify.py).
-- A region's checks read the rows of that region alone: where all regions are one database, each row counts once.

-- name: is_shared
-- Whether all regions are this one database.
SELECT version() LIKE 'CockroachDB%%';

-- name: days
-- The partitions of the log, which end in their day; none where the log has no partitions.
SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
 WHERE i.inhparent = 'event_production_log'::regclass;

-- name: first_row
SELECT min(created_at) FROM event_production_log WHERE region = %(region)s;

-- name: events_live_in_their_region
SELECT 'region ' || s.region || ' of ' || s.source AS offender
  FROM (SELECT 'event_production_key' AS source, region FROM event_production_key
         UNION ALL SELECT 'event_production_log', region FROM event_production_log
         UNION ALL SELECT 'event_consumption_key', region FROM event_consumption_key
         UNION ALL SELECT 'event_consumption_log', region FROM event_consumption_log) s
 WHERE s.region <> ALL(%(held)s::text[]);

-- name: produced_events_have_keys
SELECT 'event ' || p.event_id AS offender
  FROM event_production_log p
 WHERE p.region = %(region)s
   AND NOT EXISTS (SELECT FROM event_production_key k WHERE k.region = p.region AND k.event_id = p.event_id);

-- name: production_keys_have_events
SELECT 'event ' || k.event_id AS offender
  FROM event_production_key k
 WHERE k.region = %(region)s AND k.created_at >= %(kept_from)s::timestamptz
   AND NOT EXISTS (SELECT FROM event_production_log p WHERE p.region = k.region AND p.event_id = k.event_id);

-- name: produced_digests_agree
SELECT 'event ' || p.event_id AS offender
  FROM event_production_log p
  JOIN event_production_key k ON k.region = p.region AND k.event_id = p.event_id
 WHERE p.region = %(region)s AND k.digest <> md5(p.payload::text);

-- name: published_events_have_places
SELECT 'event ' || p.event_id AS offender
  FROM event_production_log p
 WHERE p.region = %(region)s AND p.status = 'PUBLISHED'
   AND (p.partition_number IS NULL OR p."offset" IS NULL OR p.published_at IS NULL);

-- name: published_in_order
-- What was given up and then tried again has lost its place: the later events of its key did not wait for it.
SELECT 'event ' || p.event_id || ' of key ' || p.event_key || ' at offset ' || p."offset" || ', one before it at '
       || p.earlier AS offender
  FROM (SELECT event_id, event_key, "offset",
               lag("offset") OVER (PARTITION BY topic, event_key, partition_number ORDER BY id) AS earlier
          FROM event_production_log
         WHERE region = %(region)s AND status = 'PUBLISHED' AND event_key IS NOT NULL
           AND metadata ->> 'retried_at' IS NULL) p
 WHERE p."offset" <= p.earlier;

-- name: no_event_waits_too_long
-- Where a connector carries the events, nobody writes down that they are on their topic.
SELECT 'event ' || p.event_id || ' is ' || p.status || ' since ' || p.created_at AS offender
  FROM event_production_log p
 WHERE p.region = %(region)s AND p.status IN ('PENDING', 'PUBLISHING') AND %(relayed)s
   AND greatest(p.created_at, p.next_attempt_at, (p.metadata ->> 'retried_at')::timestamptz)
       < now() - %(grace)s::float8 * interval '1 second';

-- name: failed_events_have_reasons
SELECT 'event ' || p.event_id AS offender
  FROM event_production_log p
 WHERE p.region = %(region)s AND p.status = 'FAILED' AND coalesce(p.error_message, '') = '';

-- name: consumed_events_have_keys
SELECT 'event ' || c.event_id || ' of ' || c.consumer_group AS offender
  FROM event_consumption_log c
 WHERE c.region = %(region)s
   AND NOT EXISTS (SELECT FROM event_consumption_key k
                    WHERE k.region = c.region AND k.consumer_group = c.consumer_group AND k.event_id = c.event_id);

-- name: consumption_keys_have_events
-- Of topics whose log is off there are keys alone.
SELECT 'event ' || k.event_id || ' of ' || k.consumer_group AS offender
  FROM event_consumption_key k
 WHERE k.region = %(region)s AND k.created_at >= %(kept_from)s::timestamptz AND %(logged)s
   AND NOT EXISTS (SELECT FROM event_consumption_log c
                    WHERE c.region = k.region AND c.event_id = k.event_id AND c.consumer_group = k.consumer_group);

-- name: processed_events_are_guarded
SELECT 'event ' || c.event_id || ' of ' || c.consumer_group AS offender
  FROM event_consumption_log c
  JOIN event_consumption_key k
    ON k.region = c.region AND k.consumer_group = c.consumer_group AND k.event_id = c.event_id
 WHERE c.region = %(region)s AND c.status = 'PROCESSED' AND k.processed_at IS NULL;

-- name: guarded_events_are_processed
SELECT 'event ' || c.event_id || ' of ' || c.consumer_group || ' is ' || c.status AS offender
  FROM event_consumption_log c
  JOIN event_consumption_key k
    ON k.region = c.region AND k.consumer_group = c.consumer_group AND k.event_id = c.event_id
 WHERE c.region = %(region)s AND c.status <> 'PROCESSED' AND k.processed_at IS NOT NULL;

-- name: no_consumption_hangs
SELECT 'event ' || c.event_id || ' of ' || c.consumer_group || ' is ' || c.status || ' since ' || c.received_at
       AS offender
  FROM event_consumption_log c
 WHERE c.region = %(region)s AND c.status IN ('RECEIVED', 'PROCESSING')
   AND greatest(c.received_at, c.updated_at) < now() - %(grace)s::float8 * interval '1 second';

-- name: failed_consumptions_have_reasons
SELECT 'event ' || c.event_id || ' of ' || c.consumer_group AS offender
  FROM event_consumption_log c
 WHERE c.region = %(region)s AND c.status = 'FAILED' AND coalesce(c.error_message, '') = '';

-- name: figures
SELECT 'produced', status, count(*) FROM event_production_log WHERE region = %(region)s GROUP BY status
 UNION ALL
SELECT 'consumed', status, count(*) FROM event_consumption_log WHERE region = %(region)s GROUP BY status;

-- name: begun
-- From where a group consumes: its first offset of each partition, and when it received first.
SELECT consumer_group, topic, partition_number, min("offset"), min(received_at)
  FROM event_consumption_log
 WHERE region = %(region)s
 GROUP BY consumer_group, topic, partition_number;

-- name: produced
-- Keys ascend by their code points, as they do in the program that merges the regions.
SELECT event_id COLLATE "C" AS key, topic, md5(payload::text), status, partition_number, "offset", published_at,
       published_at < now() - %(grace)s::float8 * interval '1 second', event_key, shard
  FROM event_production_log
 WHERE region = %(region)s
 ORDER BY key;

-- name: consumed
SELECT event_id COLLATE "C" AS key, consumer_group, md5(payload::text), status
  FROM event_consumption_log
 WHERE region = %(region)s
 ORDER BY key;

-- name: places
SELECT topic COLLATE "C" AS key, partition_number, "offset", event_id
  FROM event_production_log
 WHERE region = %(region)s AND status = 'PUBLISHED' AND partition_number IS NOT NULL AND "offset" IS NOT NULL
 ORDER BY key, partition_number, "offset";

-- name: topics
SELECT DISTINCT topic FROM event_production_log WHERE region = %(region)s AND status = 'PUBLISHED';

-- name: of_topic
-- Those that were published, by their places; the others, which may be on the topic as well, first.
SELECT CASE status WHEN 'PUBLISHED' THEN partition_number ELSE -1 END AS place, "offset", event_id, event_key, id,
       status = 'FAILED' OR metadata ->> 'retried_at' IS NOT NULL
  FROM event_production_log
 WHERE region = %(region)s AND topic = %(topic)s
 ORDER BY place, "offset";

-- name: known
SELECT event_id FROM event_production_key WHERE region = %(region)s AND event_id = ANY(%(events)s::text[]);
