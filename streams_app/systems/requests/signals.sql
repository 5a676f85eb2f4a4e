-- name: find_localities
-- Which localities of this region hold the request: an index step for each, and no scan.
SELECT locality
  FROM request_info
 WHERE locality = ANY(%(localities)s::int2[]) AND request_id = %(request_id)s;

-- name: send_signals
-- A request that has ended takes no signals. Everything but `added` is as it was before this statement.
WITH k AS (
    SELECT *
      FROM unnest(%(localities)s::int2[], %(request_ids)s::uuid[], %(signal_ids)s::uuid[], %(kinds)s::text[],
                  %(actors)s::text[], %(payloads)s::jsonb[])
           AS k (locality, request_id, signal_id, kind, actor, payload)
), added AS (
    INSERT INTO request_signal (locality, request_id, signal_id, kind, actor, payload)
    SELECT k.locality, k.request_id, k.signal_id, k.kind, k.actor, k.payload
      FROM k
      JOIN request_info r ON r.locality = k.locality AND r.request_id = k.request_id
      LEFT JOIN request_status_head h ON h.locality = k.locality AND h.request_id = k.request_id
     WHERE h.status_id IS NULL OR h.status_id IN (1, 2)
        ON CONFLICT (locality, request_id, signal_id) DO NOTHING
    RETURNING request_id, signal_id
)
SELECT k.request_id, k.signal_id, n.signal_id IS NOT NULL AS sent, s.signal_id IS NOT NULL AS there,
       r.request_id IS NOT NULL AS known, u.status_code, t.state_code
  FROM k
  LEFT JOIN added n ON n.request_id = k.request_id AND n.signal_id = k.signal_id
  LEFT JOIN request_signal s
    ON s.locality = k.locality AND s.request_id = k.request_id AND s.signal_id = k.signal_id
  LEFT JOIN request_info r ON r.locality = k.locality AND r.request_id = k.request_id
  LEFT JOIN request_status_head h ON h.locality = k.locality AND h.request_id = k.request_id
  LEFT JOIN request_status u ON u.status_id = h.status_id AND h.status_id NOT IN (1, 2)
  LEFT JOIN request_action_state_link l ON l.action_state_link_id = h.action_state_link_id
  LEFT JOIN request_state t ON t.state_id = l.state_id;
