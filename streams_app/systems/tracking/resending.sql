-- name: spans
-- Where the chosen events of a region lie in their topics. An event's row is made after the event is received, so the
-- days of created_at are known; the clocks of workers and databases may differ by some minutes.
SELECT topic, partition_number AS partition, min("offset") AS first, max("offset") AS last,
       count(DISTINCT "offset") AS events
  FROM event_consumption_log
 WHERE region = %(region)s
   AND created_at >= %(since)s::timestamptz - interval '10 minutes'
   AND created_at < %(until)s::timestamptz + interval '1 day'
   AND received_at >= %(since)s AND received_at < %(until)s
   AND (%(topic)s::text IS NULL OR topic = %(topic)s)
   AND (%(group)s::text IS NULL OR consumer_group = %(group)s)
   AND (%(service)s::text IS NULL OR service_name = %(service)s)
   AND (%(status)s::text IS NULL OR status = %(status)s)
   AND (%(event_ids)s::text[] IS NULL OR event_id = ANY(%(event_ids)s::text[]))
 GROUP BY topic, partition_number;

-- name: page
-- The next chosen events of one partition, in order, each once however many groups consumed it. The payload as text:
-- its numbers stay as they are.
SELECT DISTINCT ON ("offset") event_id, topic, partition_number AS partition, "offset", event_key, event_type,
       payload::text AS payload, correlation_id, metadata
  FROM event_consumption_log
 WHERE region = %(region)s
   AND created_at >= %(since)s::timestamptz - interval '10 minutes'
   AND created_at < %(until)s::timestamptz + interval '1 day'
   AND received_at >= %(since)s AND received_at < %(until)s
   AND topic = %(topic)s AND partition_number = %(partition)s
   AND "offset" > %(after)s AND "offset" <= %(last)s
   AND (%(group)s::text IS NULL OR consumer_group = %(group)s)
   AND (%(service)s::text IS NULL OR service_name = %(service)s)
   AND (%(status)s::text IS NULL OR status = %(status)s)
   AND (%(event_ids)s::text[] IS NULL OR event_id = ANY(%(event_ids)s::text[]))
 ORDER BY "offset"
 LIMIT %(limit)s;
