-- name: load_requests
-- Requests, their heads, and the signals that no event has applied yet. $1 localities, $2 request ids.
SELECT r.request_id, r.locality, r.request_type_id, r.primary_account_id, r.request_status_id, r.requested_by,
       r.created_ts, r.details, h.action_state_link_id, h.status_id, h.seq_num, h.event_ts,
       (SELECT jsonb_agg(jsonb_build_array(s.signal_id, s.kind, s.actor, s.created_ts, s.payload)
                         ORDER BY s.created_ts, s.signal_id)
          FROM request_signal s
         WHERE s.locality = r.locality AND s.request_id = r.request_id
           AND NOT EXISTS (SELECT FROM request_event_log l
                            WHERE l.locality = s.locality AND l.request_id = s.request_id
                              AND l.idempotency_key = 'signal-' || s.signal_id::text)) AS signals,
       (SELECT l.metadata -> 'changed'
          FROM request_event_log l
         WHERE l.locality = r.locality AND l.request_id = r.request_id AND l.metadata ? 'changed'
           AND EXISTS (SELECT FROM request_signal s
                        WHERE s.locality = r.locality AND s.request_id = r.request_id AND s.kind = 'cancel')
         ORDER BY l.seq_num DESC
         LIMIT 1) AS changed
  FROM unnest(%(localities)s::int2[], %(request_ids)s::uuid[]) AS k (locality, request_id)
  JOIN request_info r ON r.locality = k.locality AND r.request_id = k.request_id
  LEFT JOIN request_status_head h ON h.locality = k.locality AND h.request_id = k.request_id;

-- name: load_links
SELECT l.request_id, l.account_id, l.role, l.allocation_pct
  FROM unnest(%(localities)s::int2[], %(request_ids)s::uuid[]) AS k (locality, request_id)
  JOIN request_account_link l ON l.locality = k.locality AND l.request_id = k.request_id;

-- name: load_trades
SELECT t.request_id, t.trade_id, t.account_id, t.symbol, t.side, t.quantity, t.price, t.currency, t.status_id
  FROM unnest(%(localities)s::int2[], %(request_ids)s::uuid[]) AS k (locality, request_id)
  JOIN trade_info t ON t.locality = k.locality AND t.request_id = k.request_id;

-- name: load_accounts
SELECT a.account_id, a.locality, a.account_number, a.account_name, a.strategy, a.base_currency, a.account_status,
       a.risk_profile, a.contact_email, a.mailing_preference, a.permissions, a.version
  FROM unnest(%(localities)s::int2[], %(account_ids)s::uuid[]) AS k (locality, account_id)
  JOIN account_info a ON a.locality = k.locality AND a.account_id = k.account_id;

-- name: load_account_use
-- For accounts that are asked to close: other open requests that concern them, and securities they still hold.
-- Requests of their own have their locality; links and trades may be in any locality of the region.
SELECT k.account_id, k.request_id,
       (SELECT count(*)
          FROM request_info r
         WHERE r.locality = k.locality AND r.primary_account_id = k.account_id AND r.request_id <> k.request_id
           AND r.request_status_id IN (1, 2))
       + (SELECT count(*)
            FROM request_account_link l
            JOIN request_info r ON r.locality = l.locality AND r.request_id = l.request_id
           WHERE l.account_id = k.account_id AND l.locality = ANY(%(region_localities)s::int2[])
             AND r.primary_account_id <> k.account_id AND r.request_status_id IN (1, 2)) AS open_requests,
       (SELECT count(*)
          FROM (SELECT 1
                  FROM trade_info t
                 WHERE t.account_id = k.account_id AND t.locality = ANY(%(region_localities)s::int2[])
                   AND t.status_id = 3
                 GROUP BY t.symbol
                HAVING sum(CASE t.side WHEN 'BUY' THEN t.quantity ELSE -t.quantity END) <> 0) p) AS open_positions
  FROM unnest(%(localities)s::int2[], %(account_ids)s::uuid[], %(request_ids)s::uuid[])
       AS k (locality, account_id, request_id);

-- name: lock_accounts
-- Accounts that still are as they were read, held until the transaction ends; in one order, so no deadlock.
SELECT a.account_id
  FROM unnest(%(localities)s::int2[], %(account_ids)s::uuid[], %(versions)s::int8[]) AS k (locality, account_id, version)
  JOIN account_info a ON a.locality = k.locality AND a.account_id = k.account_id
 WHERE a.version = k.version
 ORDER BY a.account_id
   FOR UPDATE OF a;

-- name: move_heads
-- The guard: a head moves only from the sequence number that the decision was made at.
UPDATE request_status_head h
   SET action_state_link_id = k.link_id, status_id = k.status_id, event_ts = k.event_ts, seq_num = k.expected_seq + 1
  FROM unnest(%(localities)s::int2[], %(request_ids)s::uuid[], %(expected_seqs)s::int8[], %(link_ids)s::int8[],
              %(status_ids)s::int4[], %(event_times)s::timestamptz[])
       AS k (locality, request_id, expected_seq, link_id, status_id, event_ts)
 WHERE h.locality = k.locality AND h.request_id = k.request_id AND h.seq_num = k.expected_seq
RETURNING h.request_id;

-- name: insert_heads
-- The first event of requests that have none; a head that is already there stays.
INSERT INTO request_status_head (locality, request_id, action_state_link_id, status_id, event_ts, seq_num)
SELECT k.locality, k.request_id, k.link_id, k.status_id, k.event_ts, 1
  FROM unnest(%(localities)s::int2[], %(request_ids)s::uuid[], %(link_ids)s::int8[], %(status_ids)s::int4[],
              %(event_times)s::timestamptz[]) AS k (locality, request_id, link_id, status_id, event_ts)
    ON CONFLICT (locality, request_id) DO NOTHING
RETURNING request_id;

-- name: append_events
INSERT INTO request_event_log (locality, request_id, seq_num, action_state_link_id, status_id, event_ts, actor,
                               metadata, idempotency_key)
SELECT k.locality, k.request_id, k.expected_seq + 1, k.link_id, k.status_id, k.event_ts, k.actor,
       k.metadata::jsonb, k.idempotency_key
  FROM unnest(%(localities)s::int2[], %(request_ids)s::uuid[], %(expected_seqs)s::int8[], %(link_ids)s::int8[],
              %(status_ids)s::int4[], %(event_times)s::timestamptz[], %(actors)s::text[], %(metadata)s::text[],
              %(idempotency_keys)s::text[])
       AS k (locality, request_id, expected_seq, link_id, status_id, event_ts, actor, metadata, idempotency_key);

-- name: find_events
-- Which of these steps are there: what a commit did whose answer was lost.
SELECT l.request_id
  FROM unnest(%(localities)s::int2[], %(request_ids)s::uuid[], %(expected_seqs)s::int8[], %(idempotency_keys)s::text[])
       AS k (locality, request_id, expected_seq, idempotency_key)
  JOIN request_event_log l
    ON l.locality = k.locality AND l.request_id = k.request_id AND l.seq_num = k.expected_seq + 1
   AND l.idempotency_key = k.idempotency_key;

-- name: update_requests
UPDATE request_info r
   SET request_status_id = k.status_id
  FROM unnest(%(localities)s::int2[], %(request_ids)s::uuid[], %(status_ids)s::int4[])
       AS k (locality, request_id, status_id)
 WHERE r.locality = k.locality AND r.request_id = k.request_id AND r.request_status_id <> k.status_id;

-- name: update_accounts
UPDATE account_info a
   SET account_status = coalesce(k.change ->> 'account_status', a.account_status),
       strategy = CASE WHEN k.change ? 'strategy' THEN k.change ->> 'strategy' ELSE a.strategy END,
       base_currency = CASE WHEN k.change ? 'base_currency' THEN k.change ->> 'base_currency' ELSE a.base_currency END,
       risk_profile = CASE WHEN k.change ? 'risk_profile' THEN k.change ->> 'risk_profile' ELSE a.risk_profile END,
       contact_email = CASE WHEN k.change ? 'contact_email' THEN k.change ->> 'contact_email' ELSE a.contact_email END,
       mailing_preference = CASE WHEN k.change ? 'mailing_preference' THEN k.change ->> 'mailing_preference'
                                 ELSE a.mailing_preference END,
       permissions = CASE WHEN k.change ? 'permissions'
                          THEN ARRAY(SELECT jsonb_array_elements_text(k.change -> 'permissions'))
                          ELSE a.permissions END,
       version = a.version + 1,
       updated_ts = now()
  FROM (SELECT u.locality, u.account_id, u.change::jsonb AS change
          FROM unnest(%(localities)s::int2[], %(account_ids)s::uuid[], %(changes)s::text[])
               AS u (locality, account_id, change)) AS k
 WHERE a.locality = k.locality AND a.account_id = k.account_id;

-- name: insert_trades
INSERT INTO trade_info (locality, trade_id, request_id, account_id, symbol, side, quantity, price, currency, status_id)
SELECT *
  FROM unnest(%(localities)s::int2[], %(trade_ids)s::uuid[], %(request_ids)s::uuid[], %(account_ids)s::uuid[],
              %(symbols)s::text[], %(sides)s::text[], %(quantities)s::numeric[], %(prices)s::numeric[],
              %(currencies)s::text[], %(status_ids)s::int4[]);

-- name: update_trades
-- The trades of a request follow it: the open ones are settled with it; all are cancelled with it.
UPDATE trade_info t
   SET status_id = k.status_id, updated_ts = now()
  FROM unnest(%(localities)s::int2[], %(request_ids)s::uuid[], %(status_ids)s::int4[])
       AS k (locality, request_id, status_id)
 WHERE t.locality = k.locality AND t.request_id = k.request_id
   AND (t.status_id IN (1, 2) OR k.status_id = 5 AND t.status_id = 3);

-- name: find_overdue
-- Incomplete requests whose step has lasted longer than its deadline, for each link its own, oldest first.
SELECT o.locality, o.request_id
  FROM unnest(%(link_ids)s::int8[], %(before)s::timestamptz[]) AS k (link_id, before)
 CROSS JOIN LATERAL (
       SELECT h.locality, h.request_id
         FROM request_status_head h
        WHERE h.locality = ANY(%(localities)s::int2[]) AND h.action_state_link_id = k.link_id
          AND h.event_ts < k.before AND h.status_id IN (1, 2)
        ORDER BY h.event_ts
        LIMIT %(limit)s) o;

-- name: find_headless
-- Requests that were written without a first event, long enough ago that their change should have been seen.
SELECT r.locality, r.request_id
  FROM request_info r
 WHERE r.locality = ANY(%(localities)s::int2[]) AND r.request_status_id = 1 AND r.created_ts < %(before)s
   AND NOT EXISTS (SELECT FROM request_status_head h WHERE h.locality = r.locality AND h.request_id = r.request_id)
 LIMIT %(limit)s;

-- name: find_unheard
-- Waiting requests with a signal that they listen for and that came long enough ago: its change went astray.
-- LATERAL, so that the few waiting requests look for their signals, and not all signals ever sent for a request.
SELECT h.locality, h.request_id
  FROM request_status_head h
 CROSS JOIN LATERAL (
       SELECT 1
         FROM request_signal s
         JOIN unnest(%(link_ids)s::int8[], %(kinds)s::text[]) AS k (link_id, kind) ON s.kind = k.kind
        WHERE s.locality = h.locality AND s.request_id = h.request_id
          AND k.link_id = h.action_state_link_id AND s.created_ts < %(before)s
          AND NOT EXISTS (SELECT FROM request_event_log l
                           WHERE l.locality = s.locality AND l.request_id = s.request_id
                             AND l.idempotency_key = 'signal-' || s.signal_id::text)
        LIMIT 1) AS unheard
 WHERE h.locality = ANY(%(localities)s::int2[]) AND h.action_state_link_id = ANY(%(link_ids)s::int8[])
   AND h.status_id IN (1, 2)
 LIMIT %(limit)s;
