-- name: lock
-- The head of one request, held until the transaction ends.
SELECT action_state_link_id, status_id, seq_num, event_ts
  FROM request_status_head
 WHERE locality = %(locality)s AND request_id = %(request_id)s
   FOR UPDATE;

-- name: lock_in_order
-- The heads of a batch, held until the transaction ends; in one order, so that two batches never wait for each other.
SELECT h.request_id
  FROM unnest(%(localities)s::int2[], %(request_ids)s::uuid[]) AS k (locality, request_id)
  JOIN request_status_head h ON h.locality = k.locality AND h.request_id = k.request_id
 ORDER BY h.request_id
   FOR UPDATE OF h;
