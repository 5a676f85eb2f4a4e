-- name: sessions
SELECT DISTINCT session_id FROM event_logs WHERE region = %(region)s;

-- name: ids_are_unique
-- Two moments of one id: two rows that the key of the table does not keep apart.
SELECT 'event ' || event_id AS offender FROM event_logs WHERE region = %(region)s GROUP BY event_id HAVING count(*) > 1;

-- name: rows_say_what_payloads_say
SELECT 'event ' || event_id AS offender
  FROM event_logs
 WHERE region = %(region)s
   AND ((payload ->> 'session_id')::uuid <> session_id
        OR (payload ->> 'correlation_id')::uuid IS DISTINCT FROM correlation_id
        OR (payload ->> 'timestamp')::timestamptz <> "timestamp");

-- name: figures_follow_events
-- Of sessions without a mark: whatever is marked is about to be worked out.
SELECT 'session ' || coalesce(l.session_id, m.session_id) AS offender
  FROM (SELECT session_id, count(*) AS events, max("timestamp") AS last
          FROM event_logs WHERE region = %(region)s GROUP BY session_id) AS l
  FULL JOIN (SELECT session_id, total_events, last_event_at
               FROM event_session_metrics WHERE region = %(region)s) AS m ON m.session_id = l.session_id
 WHERE (m.total_events IS DISTINCT FROM l.events OR m.last_event_at IS DISTINCT FROM l.last)
   -- A session that began in a month that is gone has more events than are left of it.
   AND coalesce(m.total_events <= l.events, true)
   AND NOT EXISTS (SELECT FROM event_session_touched t
                    WHERE t.region = %(region)s AND t.session_id = coalesce(l.session_id, m.session_id));

-- name: figures
SELECT event_type, count(*) FROM event_logs WHERE region = %(region)s GROUP BY event_type;

-- name: known
-- Which of some events are stored.
SELECT k.n
  FROM unnest(%(numbers)s::int4[], %(event_ids)s::uuid[], %(times)s::timestamptz[]) AS k (n, event_id, at)
  JOIN event_logs l ON l.region = %(region)s AND l.event_id = k.event_id AND l."timestamp" = k.at
 WHERE l."timestamp" >= %(since)s AND l."timestamp" <= %(until)s;
