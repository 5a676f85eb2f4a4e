-- name: spans
-- Where the chosen events of a region lie in their topics, of a slice of the time in which their rows were made.
SELECT topic, partition_number AS partition, min("offset") AS first, max("offset") AS last,
       count(DISTINCT "offset") AS events
  FROM event_consumption_log
 WHERE region = %(region)s
   AND created_at >= %(made_since)s AND created_at < %(made_until)s
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
       payload::text AS payload, correlation_id
  FROM event_consumption_log
 WHERE region = %(region)s
   AND created_at >= %(made_since)s AND created_at < %(made_until)s
   AND received_at >= %(since)s AND received_at < %(until)s
   AND topic = %(topic)s AND partition_number = %(partition)s
   AND "offset" > %(after)s AND "offset" <= %(last)s
   AND (%(group)s::text IS NULL OR consumer_group = %(group)s)
   AND (%(service)s::text IS NULL OR service_name = %(service)s)
   AND (%(status)s::text IS NULL OR status = %(status)s)
   AND (%(event_ids)s::text[] IS NULL OR event_id = ANY(%(event_ids)s::text[]))
 ORDER BY "offset"
 LIMIT %(limit)s;

-- name: producers
-- Which service published events, where this application did: the header of a record that is sent again.
SELECT event_id, service_name
  FROM event_production_log
 WHERE region = %(region)s AND event_id = ANY(%(event_ids)s::text[]) AND created_at < %(made_until)s;
