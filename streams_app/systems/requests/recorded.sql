-- name: requests
SELECT r.request_id, r.locality, r.request_type_id, r.primary_account_id, r.request_status_id, r.requested_by,
       r.created_ts, r.details
  FROM unnest(%(localities)s::int2[], %(request_ids)s::uuid[]) AS k (locality, request_id)
  JOIN request_info r ON r.locality = k.locality AND r.request_id = k.request_id;

-- name: events
SELECT l.request_id, l.locality, l.seq_num - 1, l.action_state_link_id, l.status_id, l.event_ts, l.actor,
       l.idempotency_key, l.metadata
  FROM unnest(%(localities)s::int2[], %(request_ids)s::uuid[]) AS k (locality, request_id)
  JOIN request_event_log l ON l.locality = k.locality AND l.request_id = k.request_id
 ORDER BY l.request_id, l.seq_num;

-- name: signals
SELECT s.request_id, s.signal_id, s.kind, s.actor, s.created_ts, s.payload
  FROM unnest(%(localities)s::int2[], %(request_ids)s::uuid[]) AS k (locality, request_id)
  JOIN request_signal s ON s.locality = k.locality AND s.request_id = k.request_id
 ORDER BY s.request_id, s.created_ts, s.signal_id;

-- name: links
SELECT l.request_id, l.account_id, l.role, l.allocation_pct
  FROM unnest(%(localities)s::int2[], %(request_ids)s::uuid[]) AS k (locality, request_id)
  JOIN request_account_link l ON l.locality = k.locality AND l.request_id = k.request_id;

-- name: trades
-- The last column: whether the trade was moved after it was made.
SELECT t.request_id, t.trade_id, t.account_id, t.symbol, t.side, t.quantity, t.price, t.currency, t.status_id,
       t.updated_ts > t.created_ts
  FROM unnest(%(localities)s::int2[], %(request_ids)s::uuid[]) AS k (locality, request_id)
  JOIN trade_info t ON t.locality = k.locality AND t.request_id = k.request_id;

-- name: accounts
SELECT a.account_id, a.locality, a.account_number, a.account_name, a.strategy, a.base_currency, a.account_status,
       a.risk_profile, a.contact_email, a.mailing_preference, a.permissions, a.version
  FROM unnest(%(localities)s::int2[], %(account_ids)s::uuid[]) AS k (locality, account_id)
  JOIN account_info a ON a.locality = k.locality AND a.account_id = k.account_id;

-- name: account_changes
-- Every event that changed one of the accounts, in the order of their versions.
SELECT r.primary_account_id, (l.metadata ->> 'account_version')::int8, l.event_ts, l.metadata -> 'changed',
       l.metadata -> 'restored', r.request_id
  FROM request_info r
  JOIN request_event_log l ON l.locality = r.locality AND l.request_id = r.request_id
 WHERE r.locality = ANY(%(localities)s::int2[]) AND r.primary_account_id = ANY(%(account_ids)s::uuid[])
   AND l.metadata ? 'account_version'
 ORDER BY 1, 2;
