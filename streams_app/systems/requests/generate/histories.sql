-- name: claim_numbers
-- Answers the account that each number belongs to; no account when somebody else is claiming it at this moment.
WITH k AS (
    SELECT *
      FROM unnest(%(localities)s::int2[], %(numbers)s::text[], %(account_ids)s::uuid[])
           AS k (locality, account_number, account_id)
), added AS (
    INSERT INTO account_number_claim (locality, account_number, account_id)
    SELECT k.locality, k.account_number, k.account_id
      FROM k
     ORDER BY k.locality, k.account_number
        ON CONFLICT (locality, account_number) DO NOTHING
    RETURNING account_number, account_id
)
SELECT k.account_id, k.account_number, coalesce(n.account_id, c.account_id) AS owner_id
  FROM k
  LEFT JOIN added n ON n.account_number = k.account_number
  LEFT JOIN account_number_claim c ON c.locality = k.locality AND c.account_number = k.account_number;

-- name: add_accounts
-- In the order of their ids, so that two producers never wait for each other in a circle.
INSERT INTO account_info (account_id, account_number, account_name, strategy, base_currency, account_status,
                          risk_profile, contact_email, mailing_preference, permissions, version)
SELECT k.account_id, k.number, k.name, k.strategy, k.currency, k.status, k.risk_profile, k.email, k.mailing,
       string_to_array(k.permissions, ','), k.version
  FROM unnest(%(account_ids)s::uuid[], %(numbers)s::text[], %(names)s::text[], %(strategies)s::text[],
              %(currencies)s::text[], %(statuses)s::text[], %(risk_profiles)s::text[], %(emails)s::text[],
              %(mailings)s::text[], %(permissions)s::text[], %(versions)s::int8[])
       AS k (account_id, number, name, strategy, currency, status, risk_profile, email, mailing, permissions, version)
 ORDER BY k.account_id
    ON CONFLICT (locality, account_id) DO NOTHING;

-- name: add_requests
-- Answers the new ones; what was there before stays as it is.
INSERT INTO request_info (locality, request_id, request_type_id, primary_account_id, created_ts, requested_by,
                          description, target_effective_ts, request_status_id, details)
SELECT *
  FROM unnest(%(localities)s::int2[], %(request_ids)s::uuid[], %(type_ids)s::int4[], %(account_ids)s::uuid[],
              %(created)s::timestamptz[], %(requested_by)s::text[], %(descriptions)s::text[],
              %(effective)s::timestamptz[], %(status_ids)s::int4[], %(details)s::jsonb[])
    ON CONFLICT (locality, request_id) DO NOTHING
RETURNING request_id;

-- name: add_links
INSERT INTO request_account_link (locality, request_id, account_id, role, allocation_pct)
SELECT *
  FROM unnest(%(localities)s::int2[], %(request_ids)s::uuid[], %(account_ids)s::uuid[], %(roles)s::text[],
              %(allocations)s::numeric[]);

-- name: add_trades
INSERT INTO trade_info (locality, trade_id, request_id, account_id, symbol, side, quantity, price, currency, status_id,
                        created_ts, updated_ts)
SELECT k.*, k.created_ts
  FROM unnest(%(localities)s::int2[], %(trade_ids)s::uuid[], %(request_ids)s::uuid[], %(account_ids)s::uuid[],
              %(symbols)s::text[], %(sides)s::text[], %(quantities)s::numeric[], %(prices)s::numeric[],
              %(currencies)s::text[], %(status_ids)s::int4[], %(created)s::timestamptz[])
       AS k (locality, trade_id, request_id, account_id, symbol, side, quantity, price, currency, status_id, created_ts);

-- name: add_events
INSERT INTO request_event_log (locality, request_id, seq_num, action_state_link_id, status_id, event_ts, actor,
                               metadata, idempotency_key)
SELECT *
  FROM unnest(%(localities)s::int2[], %(request_ids)s::uuid[], %(seq_nums)s::int8[], %(link_ids)s::int8[],
              %(status_ids)s::int4[], %(event_times)s::timestamptz[], %(actors)s::text[], %(metadata)s::jsonb[],
              %(idempotency_keys)s::text[]);

-- name: add_heads
INSERT INTO request_status_head (locality, request_id, seq_num, action_state_link_id, status_id, event_ts)
SELECT *
  FROM unnest(%(localities)s::int2[], %(request_ids)s::uuid[], %(seq_nums)s::int8[], %(link_ids)s::int8[],
              %(status_ids)s::int4[], %(event_times)s::timestamptz[]);

-- name: add_signals
INSERT INTO request_signal (locality, request_id, signal_id, kind, actor, payload, created_ts)
SELECT *
  FROM unnest(%(localities)s::int2[], %(request_ids)s::uuid[], %(signal_ids)s::uuid[], %(kinds)s::text[],
              %(actors)s::text[], %(payloads)s::jsonb[], %(created)s::timestamptz[]);
