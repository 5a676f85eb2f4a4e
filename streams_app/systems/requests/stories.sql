-- name: request
SELECT r.request_id, r.locality, y.request_type_code, r.primary_account_id, r.created_ts, r.requested_by,
       r.description, r.target_effective_ts, u.status_code, r.details
  FROM request_info r
  JOIN request_type y ON y.request_type_id = r.request_type_id
  JOIN request_status u ON u.status_id = r.request_status_id
 WHERE r.locality = %(locality)s AND r.request_id = %(request_id)s;

-- name: links
SELECT account_id, role, allocation_pct
  FROM request_account_link
 WHERE locality = %(locality)s AND request_id = %(request_id)s
 ORDER BY role DESC, account_id;

-- name: accounts
SELECT a.account_id, a.account_number, a.account_name, a.account_status, a.strategy, a.base_currency, a.risk_profile,
       a.permissions, a.version
  FROM unnest(%(localities)s::int2[], %(account_ids)s::uuid[]) AS k (locality, account_id)
  JOIN account_info a ON a.locality = k.locality AND a.account_id = k.account_id;

-- name: trades
SELECT t.trade_id, t.account_id, t.side, t.symbol, t.quantity, t.price, t.currency, u.status_code, t.updated_ts
  FROM trade_info t
  JOIN request_status u ON u.status_id = t.status_id
 WHERE t.locality = %(locality)s AND t.request_id = %(request_id)s
 ORDER BY t.account_id, t.symbol, t.side;

-- name: events
SELECT e.seq_num, e.event_ts, c.action_code, t.state_code, u.status_code, e.metadata ->> 'outcome' AS outcome,
       e.metadata ->> 'reason' AS reason, e.actor, e.idempotency_key, e.metadata,
       extract(epoch FROM e.event_ts - lag(e.event_ts) OVER (ORDER BY e.seq_num))::float8 AS seconds_after
  FROM request_event_log e
  JOIN request_action_state_link l ON l.action_state_link_id = e.action_state_link_id
  JOIN request_action_type c ON c.action_type_id = l.action_type_id
  JOIN request_state t ON t.state_id = l.state_id
  JOIN request_status u ON u.status_id = e.status_id
 WHERE e.locality = %(locality)s AND e.request_id = %(request_id)s
 ORDER BY e.seq_num;

-- name: signals
SELECT s.signal_id, s.kind, s.actor, s.created_ts, s.payload, e.seq_num AS applied_by
  FROM request_signal s
  LEFT JOIN request_event_log e
    ON e.locality = s.locality AND e.request_id = s.request_id AND e.idempotency_key = 'signal-' || s.signal_id::text
 WHERE s.locality = %(locality)s AND s.request_id = %(request_id)s
 ORDER BY s.created_ts, s.signal_id;

-- name: list
-- The newest requests of a region, each with its latest event; a null argument asks for nothing.
SELECT r.request_id, y.request_type_code, u.status_code, c.action_code, t.state_code, h.seq_num, r.created_ts, h.event_ts,
       r.requested_by, e.outcome, e.reason
  FROM request_info r
  JOIN request_type y ON y.request_type_id = r.request_type_id
  JOIN request_status u ON u.status_id = r.request_status_id
  LEFT JOIN request_status_head h ON h.locality = r.locality AND h.request_id = r.request_id
  LEFT JOIN request_action_state_link l ON l.action_state_link_id = h.action_state_link_id
  LEFT JOIN request_action_type c ON c.action_type_id = l.action_type_id
  LEFT JOIN request_state t ON t.state_id = l.state_id
  LEFT JOIN LATERAL (
       SELECT v.metadata ->> 'outcome' AS outcome, v.metadata ->> 'reason' AS reason
         FROM request_event_log v
        WHERE v.locality = r.locality AND v.request_id = r.request_id
        ORDER BY v.seq_num DESC
        LIMIT 1) e ON true
 WHERE r.locality = ANY(%(localities)s::int2[])
   AND (%(type)s::text IS NULL OR y.request_type_code = %(type)s)
   AND (%(status)s::text IS NULL OR u.status_code = %(status)s)
   AND (%(state)s::text IS NULL OR t.state_code = %(state)s)
 ORDER BY r.created_ts DESC, r.request_id
 LIMIT %(limit)s;
