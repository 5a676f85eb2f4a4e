-- The days (UTC) of both logs: what is in them, as rows of JSON and as a digest, and their removal. A row's text is the
-- server's own JSON of it. The digest of a day is built in two steps, so that no step holds more than 10,000 rows or
-- one line for each 10,000: md5 of the md5 of the rows' texts, in the order of their ids.

-- name: utc
SET LOCAL timezone = 'UTC';

-- name: today
SELECT (now() AT TIME ZONE 'utc')::date;

-- name: columns_event_production_log
SELECT * FROM event_production_log WHERE region = %(region)s LIMIT 0;

-- name: columns_event_consumption_log
SELECT * FROM event_consumption_log WHERE region = %(region)s LIMIT 0;

-- name: open_event_production_log
-- Events that are still on their way, by the day they are in.
SELECT (created_at AT TIME ZONE 'utc')::date AS day, count(*)
  FROM event_production_log
 WHERE region = %(region)s AND status <> 'PUBLISHED' AND status IN ('PENDING', 'PUBLISHING')
 GROUP BY 1;

-- name: open_event_consumption_log
SELECT (created_at AT TIME ZONE 'utc')::date AS day, count(*)
  FROM event_consumption_log
 WHERE region = %(region)s AND status <> 'PROCESSED' AND status IN ('RECEIVED', 'PROCESSING')
 GROUP BY 1;

-- name: days_event_production_log
-- The days that have rows: the days of a log without partitions.
SELECT d.day::date
  FROM generate_series((SELECT date_trunc('day', min(created_at) AT TIME ZONE 'utc')
                          FROM event_production_log WHERE region = %(region)s),
                       now() AT TIME ZONE 'utc', interval '1 day') AS d (day)
 WHERE EXISTS (SELECT 1
                 FROM event_production_log l
                WHERE l.region = %(region)s AND l.created_at >= d.day AT TIME ZONE 'utc'
                  AND l.created_at < (d.day + interval '1 day') AT TIME ZONE 'utc');

-- name: days_event_consumption_log
SELECT d.day::date
  FROM generate_series((SELECT date_trunc('day', min(created_at) AT TIME ZONE 'utc')
                          FROM event_consumption_log WHERE region = %(region)s),
                       now() AT TIME ZONE 'utc', interval '1 day') AS d (day)
 WHERE EXISTS (SELECT 1
                 FROM event_consumption_log l
                WHERE l.region = %(region)s AND l.created_at >= d.day AT TIME ZONE 'utc'
                  AND l.created_at < (d.day + interval '1 day') AT TIME ZONE 'utc');

-- name: rows_event_production_log
SELECT to_jsonb(l)::text
  FROM event_production_log l
 WHERE l.region = %(region)s AND l.created_at >= %(since)s AND l.created_at < %(until)s
 ORDER BY l.id;

-- name: rows_event_consumption_log
SELECT to_jsonb(l)::text
  FROM event_consumption_log l
 WHERE l.region = %(region)s AND l.created_at >= %(since)s AND l.created_at < %(until)s
 ORDER BY l.id;

-- name: digest_event_production_log
SELECT coalesce(sum(g.rows), 0)::int8, md5(coalesce(string_agg(g.digest, '' ORDER BY g.part), ''))
  FROM (SELECT div(l.id, 10000) AS part, count(*) AS rows,
               md5(string_agg(md5(to_jsonb(l)::text), '' ORDER BY l.id)) AS digest
          FROM event_production_log l
         WHERE l.region = %(region)s AND l.created_at >= %(since)s AND l.created_at < %(until)s
         GROUP BY 1) AS g;

-- name: digest_event_consumption_log
SELECT coalesce(sum(g.rows), 0)::int8, md5(coalesce(string_agg(g.digest, '' ORDER BY g.part), ''))
  FROM (SELECT div(l.id, 10000) AS part, count(*) AS rows,
               md5(string_agg(md5(to_jsonb(l)::text), '' ORDER BY l.id)) AS digest
          FROM event_consumption_log l
         WHERE l.region = %(region)s AND l.created_at >= %(since)s AND l.created_at < %(until)s
         GROUP BY 1) AS g;

-- name: strangers_event_production_log
-- Rows that no archive of this region holds: dropping the day would lose them.
SELECT count(*)
  FROM event_production_log l
 WHERE l.region <> %(region)s AND l.created_at >= %(since)s AND l.created_at < %(until)s;

-- name: strangers_event_consumption_log
SELECT count(*)
  FROM event_consumption_log l
 WHERE l.region <> %(region)s AND l.created_at >= %(since)s AND l.created_at < %(until)s;

-- name: remove_event_production_log
-- Without partitions: rows that still are as the archive has them, and no others.
DELETE FROM event_production_log l
 USING unnest(%(event_ids)s::text[], %(created)s::timestamptz[], %(digests)s::text[]) AS k (event_id, created_at, digest)
 WHERE l.region = %(region)s AND l.event_id = k.event_id AND l.created_at = k.created_at
   AND md5(to_jsonb(l)::text) = k.digest;

-- name: remove_event_consumption_log
DELETE FROM event_consumption_log l
 USING unnest(%(event_ids)s::text[], %(groups)s::text[], %(created)s::timestamptz[], %(digests)s::text[])
       AS k (event_id, consumer_group, created_at, digest)
 WHERE l.region = %(region)s AND l.event_id = k.event_id AND l.consumer_group = k.consumer_group
   AND l.created_at = k.created_at AND md5(to_jsonb(l)::text) = k.digest;

-- name: keys_event_production_log
SELECT event_id
  FROM event_production_key
 WHERE region = %(region)s AND created_at >= %(since)s AND created_at < %(until)s
 LIMIT %(limit)s;

-- name: keys_event_consumption_log
SELECT event_id, consumer_group
  FROM event_consumption_key
 WHERE region = %(region)s AND created_at >= %(since)s AND created_at < %(until)s
 LIMIT %(limit)s;

-- name: remove_keys_event_production_log
DELETE FROM event_production_key k
 USING unnest(%(event_ids)s::text[]) AS o (event_id)
 WHERE k.region = %(region)s AND k.event_id = o.event_id AND k.created_at < %(until)s;

-- name: remove_keys_event_consumption_log
DELETE FROM event_consumption_key k
 USING unnest(%(event_ids)s::text[], %(groups)s::text[]) AS o (event_id, consumer_group)
 WHERE k.region = %(region)s AND k.consumer_group = o.consumer_group AND k.event_id = o.event_id
   AND k.created_at < %(until)s;

-- name: forget_event_consumption_log
-- Keys of a day that goes, of events that were not processed: one of them that comes again begins anew.
DELETE FROM event_consumption_key k
 USING (SELECT event_id, consumer_group
          FROM event_consumption_key
         WHERE region = %(region)s AND created_at >= %(since)s AND created_at < %(until)s AND processed_at IS NULL
         LIMIT %(limit)s) AS o
 WHERE k.region = %(region)s AND k.consumer_group = o.consumer_group AND k.event_id = o.event_id
   AND k.created_at < %(until)s AND k.processed_at IS NULL;
