-- name: find_unanswered
-- Incomplete requests by the time of their last step, one page after the other.
SELECT h.locality, h.request_id, h.action_state_link_id, h.event_ts
  FROM request_status_head h
 WHERE h.locality = ANY(%(localities)s::int2[]) AND h.action_state_link_id = ANY(%(link_ids)s::int8[])
   AND h.status_id IN (1, 2)
   AND (h.event_ts, h.request_id) > (%(since)s::timestamptz, %(after)s::uuid)
 ORDER BY h.event_ts, h.request_id
 LIMIT %(limit)s;

-- name: find_open
-- Which of these requests have not ended. A request without a head has not even begun.
SELECT k.request_id
  FROM unnest(%(localities)s::int2[], %(request_ids)s::uuid[]) AS k (locality, request_id)
  LEFT JOIN request_status_head h ON h.locality = k.locality AND h.request_id = k.request_id
 WHERE h.status_id IS NULL OR h.status_id IN (1, 2);
