-- Every statement answers one column, `offender`: one row for each violation. They share one set of arguments
-- (verify.py: Arguments), and look at requests of the types that the workflow file describes.
-- A region's checks read the rows of its localities alone: where all regions are one database, each row counts once.

-- name: is_shared
-- Whether all regions are this one database.
SELECT version() LIKE 'CockroachDB%%';

-- name: workflow_tables
SELECT 'link ' || k.link_id AS offender
  FROM unnest(%(links)s::int8[], %(link_types)s::int4[], %(link_actions)s::int4[], %(link_states)s::int4[],
              %(link_initial)s::bool[], %(link_terminal)s::bool[])
       AS k (link_id, type_id, action_id, state_id, is_initial, is_terminal)
  LEFT JOIN request_action_state_link l ON l.action_state_link_id = k.link_id
 WHERE (l.request_type_id, l.action_type_id, l.state_id, l.is_initial, l.is_terminal)
       IS DISTINCT FROM (k.type_id, k.action_id, k.state_id, k.is_initial, k.is_terminal);

-- name: rows_have_requests
WITH follower AS (
    SELECT 'request_event_log' AS source, locality, request_id FROM request_event_log
     WHERE locality = ANY(%(localities)s::int2[])
     UNION ALL SELECT 'request_status_head', locality, request_id FROM request_status_head
     WHERE locality = ANY(%(localities)s::int2[])
     UNION ALL SELECT 'request_signal', locality, request_id FROM request_signal
     WHERE locality = ANY(%(localities)s::int2[])
     UNION ALL SELECT 'request_account_link', locality, request_id FROM request_account_link
     WHERE locality = ANY(%(localities)s::int2[])
     UNION ALL SELECT 'trade_info', locality, request_id FROM trade_info
     WHERE locality = ANY(%(localities)s::int2[]))
SELECT f.source || ' of request ' || f.request_id AS offender
  FROM follower f
 WHERE NOT EXISTS (SELECT FROM request_info r
                    WHERE r.request_id = f.request_id AND r.locality = ANY(%(localities)s::int2[]));

-- name: requests_have_heads
-- A request may be written without a first event; the sweeper gives it one within `patience`.
SELECT 'request ' || r.request_id AS offender
  FROM request_info r
 WHERE r.locality = ANY(%(localities)s::int2[]) AND r.request_type_id = ANY(%(types)s::int4[])
   AND (r.request_status_id <> 1 OR r.created_ts < now() - %(patience)s::float8 * interval '1 second')
   AND NOT EXISTS (SELECT FROM request_status_head h WHERE h.locality = r.locality AND h.request_id = r.request_id);

-- name: heads_have_events
SELECT 'head of request ' || h.request_id || ' without events' AS offender
  FROM request_status_head h
 WHERE h.locality = ANY(%(localities)s::int2[])
   AND NOT EXISTS (SELECT FROM request_event_log l WHERE l.locality = h.locality AND l.request_id = h.request_id)
 UNION ALL
SELECT 'events of request ' || l.request_id || ' without head'
  FROM request_event_log l
 WHERE l.locality = ANY(%(localities)s::int2[])
   AND NOT EXISTS (SELECT FROM request_status_head h WHERE h.locality = l.locality AND h.request_id = l.request_id)
 GROUP BY l.locality, l.request_id;

-- name: first_event_is_initial
SELECT 'request ' || l.request_id || ' begins at link ' || l.action_state_link_id AS offender
  FROM request_event_log l
  JOIN request_info r ON r.locality = l.locality AND r.request_id = l.request_id
 WHERE l.locality = ANY(%(localities)s::int2[]) AND l.seq_num = 1
   AND r.request_type_id = ANY(%(types)s::int4[])
   AND NOT EXISTS (SELECT FROM unnest(%(links)s::int8[], %(link_types)s::int4[], %(link_initial)s::bool[])
                            AS k (link_id, type_id, is_initial)
                    WHERE k.is_initial AND k.type_id = r.request_type_id AND k.link_id = l.action_state_link_id);

-- name: sequence_has_no_gaps
SELECT 'request ' || l.request_id || ' seq_num ' || l.seq_num || ' follows ' || l.previous AS offender
  FROM (SELECT request_id, seq_num,
               lag(seq_num, 1, 0::int8) OVER (PARTITION BY locality, request_id ORDER BY seq_num) AS previous
          FROM request_event_log
         WHERE locality = ANY(%(localities)s::int2[])) l
 WHERE l.seq_num <> l.previous + 1;

-- name: head_is_last_event
WITH last AS (
    SELECT locality, request_id, max(seq_num) AS seq_num
      FROM request_event_log
     WHERE locality = ANY(%(localities)s::int2[])
     GROUP BY locality, request_id)
SELECT 'request ' || h.request_id || ' head at seq_num ' || h.seq_num || ', last event ' || l.seq_num AS offender
  FROM last
  JOIN request_event_log l USING (locality, request_id, seq_num)
  JOIN request_status_head h USING (locality, request_id)
 WHERE (h.seq_num, h.action_state_link_id, h.status_id, h.event_ts)
       IS DISTINCT FROM (l.seq_num, l.action_state_link_id, l.status_id, l.event_ts);

-- name: steps_are_allowed
WITH step AS (
    SELECT locality, request_id, seq_num, action_state_link_id AS link_id, metadata ->> 'outcome' AS outcome,
           lag(action_state_link_id) OVER (PARTITION BY locality, request_id ORDER BY seq_num) AS from_link
      FROM request_event_log
     WHERE locality = ANY(%(localities)s::int2[]))
SELECT 'request ' || s.request_id || ' seq_num ' || s.seq_num || ' from link ' || s.from_link || ' to '
       || s.link_id || coalesce(' on ' || s.outcome, '') AS offender
  FROM step s
  JOIN request_info r ON r.locality = s.locality AND r.request_id = s.request_id
 WHERE s.from_link <> ALL(%(terminal_links)s::int8[]) AND r.request_type_id = ANY(%(types)s::int4[])
   AND NOT EXISTS (
       SELECT FROM unnest(%(rule_types)s::int4[], %(rule_from)s::int8[], %(rule_outcomes)s::text[], %(rule_to)s::int8[])
                AS k (type_id, from_link, outcome, to_link)
        WHERE k.type_id = r.request_type_id AND k.from_link = s.from_link AND k.to_link = s.link_id
          AND k.outcome = coalesce(s.outcome, k.outcome));

-- name: nothing_follows_the_end
SELECT 'request ' || l.request_id || ' seq_num ' || l.seq_num || ' after its end' AS offender
  FROM (SELECT request_id, seq_num,
               lag(action_state_link_id) OVER (PARTITION BY locality, request_id ORDER BY seq_num) AS from_link
          FROM request_event_log
         WHERE locality = ANY(%(localities)s::int2[])) l
 WHERE l.from_link = ANY(%(terminal_links)s::int8[]);

-- name: time_does_not_go_back
SELECT 'request ' || l.request_id || ' seq_num ' || l.seq_num || ' at ' || l.event_ts || ' after ' || l.previous
       AS offender
  FROM (SELECT request_id, seq_num, event_ts,
               lag(event_ts) OVER (PARTITION BY locality, request_id ORDER BY seq_num) AS previous
          FROM request_event_log
         WHERE locality = ANY(%(localities)s::int2[])) l
 WHERE l.event_ts < l.previous;

-- name: request_status_is_head_status
SELECT 'request ' || r.request_id || ' has status ' || r.request_status_id || ', its head ' || h.status_id AS offender
  FROM request_info r
  JOIN request_status_head h ON h.locality = r.locality AND h.request_id = r.request_id
 WHERE r.locality = ANY(%(localities)s::int2[]) AND r.request_status_id <> h.status_id;

-- name: event_status_is_node_status
SELECT 'request ' || l.request_id || ' seq_num ' || l.seq_num || ' has status ' || l.status_id AS offender
  FROM request_event_log l
  JOIN unnest(%(links)s::int8[], %(link_statuses)s::int4[]) AS k (link_id, status_id)
    ON k.link_id = l.action_state_link_id
 WHERE l.locality = ANY(%(localities)s::int2[]) AND k.status_id <> l.status_id;

-- name: causes_act_once
SELECT 'request ' || l.request_id || ' ' || l.idempotency_key AS offender
  FROM request_event_log l
 WHERE l.locality = ANY(%(localities)s::int2[])
 GROUP BY l.request_id, l.idempotency_key
HAVING count(*) > 1;

-- name: nodes_are_entered_once
SELECT 'request ' || l.request_id || ' link ' || l.action_state_link_id AS offender
  FROM request_event_log l
 WHERE l.locality = ANY(%(localities)s::int2[]) AND l.action_state_link_id = ANY(%(once_links)s::int8[])
 GROUP BY l.request_id, l.action_state_link_id
HAVING count(*) > 1;

-- name: signals_act_once
SELECT l.idempotency_key AS offender
  FROM request_event_log l
 WHERE l.locality = ANY(%(localities)s::int2[]) AND left(l.idempotency_key, 7) = 'signal-'
 GROUP BY l.idempotency_key
HAVING count(*) > 1;

-- name: signalled_steps_have_signals
SELECT 'request ' || l.request_id || ' seq_num ' || l.seq_num || ' by ' || l.idempotency_key AS offender
  FROM request_event_log l
 WHERE l.locality = ANY(%(localities)s::int2[]) AND left(l.idempotency_key, 7) = 'signal-'
   AND NOT EXISTS (SELECT FROM request_signal s
                    WHERE s.locality = l.locality AND s.request_id = l.request_id
                      AND 'signal-' || s.signal_id = l.idempotency_key
                      AND s.kind = coalesce(l.metadata ->> 'outcome', s.kind));

-- name: signals_are_heard
SELECT 'request ' || s.request_id || ' signal ' || s.signal_id || ' (' || s.kind || ')' AS offender
  FROM request_signal s
  JOIN request_status_head h ON h.locality = s.locality AND h.request_id = s.request_id
  JOIN unnest(%(heard_links)s::int8[], %(heard_kinds)s::text[]) AS k (link_id, kind)
    ON k.link_id = h.action_state_link_id AND k.kind = s.kind
 WHERE s.locality = ANY(%(localities)s::int2[])
   AND greatest(s.created_ts, h.event_ts) < now() - %(patience)s::float8 * interval '1 second'
   AND NOT EXISTS (SELECT FROM request_event_log l
                    WHERE l.locality = s.locality AND l.request_id = s.request_id
                      AND l.idempotency_key = 'signal-' || s.signal_id);

-- name: nothing_is_stuck
SELECT 'request ' || h.request_id || ' at ' || k.name || ' since ' || h.event_ts AS offender
  FROM request_status_head h
  JOIN unnest(%(links)s::int8[], %(link_names)s::text[], %(link_deadlines)s::float8[]) AS k (link_id, name, deadline)
    ON k.link_id = h.action_state_link_id
 WHERE h.locality = ANY(%(localities)s::int2[]) AND h.status_id IN (1, 2)
   AND h.event_ts < now() - (k.deadline + %(grace)s::float8) * interval '1 second';

-- name: failures_have_reasons
SELECT 'request ' || h.request_id AS offender
  FROM request_status_head h
  JOIN request_event_log l USING (locality, request_id, seq_num)
 WHERE h.locality = ANY(%(localities)s::int2[]) AND h.status_id IN (4, 5) AND l.metadata ->> 'reason' IS NULL;

-- name: notices_tell_how_requests_ended
SELECT 'notice of request ' || n.request_id || ' says status ' || n.status_id
       || coalesce(', its head ' || h.status_id, ', it has no head there') AS offender
  FROM request_notice n
  LEFT JOIN request_status_head h ON h.locality = n.locality AND h.request_id = n.request_id
 WHERE n.locality = ANY(%(localities)s::int2[])
   AND (h.status_id = n.status_id AND h.action_state_link_id = ANY(%(terminal_links)s::int8[])) IS NOT TRUE;

-- name: requests_live_with_their_account
-- The hash is dear: once for each account, not for each request.
WITH misplaced AS (
    SELECT d.locality, d.primary_account_id
      FROM (SELECT DISTINCT locality, primary_account_id
              FROM request_info
             WHERE locality = ANY(%(localities)s::int2[])) d
     WHERE d.locality <> account_locality(d.primary_account_id))
SELECT 'request ' || r.request_id || ' in locality ' || r.locality AS offender
  FROM request_info r
  JOIN misplaced m ON r.locality = m.locality AND r.primary_account_id = m.primary_account_id;

-- name: rows_live_with_their_request
WITH follower AS (
    SELECT 'request_event_log' AS source, locality, request_id FROM request_event_log
     WHERE locality = ANY(%(localities)s::int2[])
     UNION ALL SELECT 'request_status_head', locality, request_id FROM request_status_head
     WHERE locality = ANY(%(localities)s::int2[])
     UNION ALL SELECT 'request_signal', locality, request_id FROM request_signal
     WHERE locality = ANY(%(localities)s::int2[])
     UNION ALL SELECT 'request_account_link', locality, request_id FROM request_account_link
     WHERE locality = ANY(%(localities)s::int2[])
     UNION ALL SELECT 'trade_info', locality, request_id FROM trade_info
     WHERE locality = ANY(%(localities)s::int2[]))
SELECT f.source || ' of request ' || f.request_id || ' in locality ' || f.locality AS offender
  FROM follower f
 WHERE NOT EXISTS (SELECT FROM request_info r WHERE r.locality = f.locality AND r.request_id = f.request_id)
   AND EXISTS (SELECT FROM request_info r
                WHERE r.request_id = f.request_id AND r.locality = ANY(%(localities)s::int2[]));

-- name: rows_live_in_their_region
-- The one check that reads every row of the database: `held` are the localities that may lie in it (null: any).
WITH everything AS (
    SELECT 'account_info' AS source, locality, account_id::text AS id FROM account_info
     UNION ALL SELECT 'account_number_claim', locality, account_number FROM account_number_claim
     UNION ALL SELECT 'request_info', locality, request_id::text FROM request_info
     UNION ALL SELECT 'request_event_log of', locality, request_id::text FROM request_event_log
     UNION ALL SELECT 'request_status_head of', locality, request_id::text FROM request_status_head
     UNION ALL SELECT 'request_signal of', locality, request_id::text FROM request_signal
     UNION ALL SELECT 'request_account_link of', locality, request_id::text FROM request_account_link
     UNION ALL SELECT 'request_notice of', locality, request_id::text FROM request_notice
     UNION ALL SELECT 'trade_info', locality, trade_id::text FROM trade_info)
SELECT e.source || ' ' || e.id || ' in locality ' || e.locality AS offender
  FROM everything e
 WHERE e.locality <> ALL(%(held)s::int2[]);

-- name: ended_requests_take_their_trades_along
SELECT 'trade ' || t.trade_id || ' of request ' || t.request_id || ' has status ' || t.status_id AS offender
  FROM trade_info t
  JOIN request_status_head h ON h.locality = t.locality AND h.request_id = t.request_id
 WHERE t.locality = ANY(%(localities)s::int2[]) AND h.status_id IN (4, 5) AND t.status_id <> 5;

-- name: complete_requests_leave_no_trade_open
SELECT 'trade ' || t.trade_id || ' of request ' || t.request_id || ' has status ' || t.status_id AS offender
  FROM trade_info t
  JOIN request_status_head h ON h.locality = t.locality AND h.request_id = t.request_id
 WHERE t.locality = ANY(%(localities)s::int2[]) AND h.status_id = 3 AND t.status_id IN (1, 2);

-- name: rebalances_balance
SELECT 'request ' || r.request_id || ' buys ' || coalesce(sum(t.quantity) FILTER (WHERE t.side = 'BUY'), 0)
       || ', sells ' || coalesce(sum(t.quantity) FILTER (WHERE t.side = 'SELL'), 0) AS offender
  FROM request_info r
  JOIN request_status_head h ON h.locality = r.locality AND h.request_id = r.request_id
  LEFT JOIN trade_info t ON t.locality = r.locality AND t.request_id = r.request_id AND t.status_id = 3
 WHERE r.locality = ANY(%(localities)s::int2[]) AND h.status_id = 3
   AND r.request_type_id = ANY(%(generating_types)s::int4[])
 GROUP BY r.locality, r.request_id
HAVING count(t.trade_id) = 0
    OR sum(t.quantity) FILTER (WHERE t.side = 'BUY') IS DISTINCT FROM sum(t.quantity) FILTER (WHERE t.side = 'SELL');

-- name: generated_trades_are_kept
SELECT 'request ' || l.request_id || ' has ' || count(t.trade_id) || ' of ' || (l.metadata ->> 'trades') || ' trades'
       AS offender
  FROM request_event_log l
  LEFT JOIN trade_info t ON t.locality = l.locality AND t.request_id = l.request_id
 WHERE l.locality = ANY(%(localities)s::int2[]) AND l.metadata ->> 'outcome' = ANY(%(generating_outcomes)s::text[])
 GROUP BY l.locality, l.request_id, l.seq_num, l.metadata
HAVING count(t.trade_id)
       < CASE WHEN jsonb_typeof(l.metadata -> 'trades') = 'number' THEN (l.metadata ->> 'trades')::numeric ELSE 0 END;

-- name: trades_are_generated_once
SELECT 'request ' || t.request_id || ' account ' || t.account_id || ' ' || t.side || ' ' || t.symbol AS offender
  FROM trade_info t
  JOIN request_info r ON r.locality = t.locality AND r.request_id = t.request_id
 WHERE t.locality = ANY(%(localities)s::int2[]) AND r.request_type_id = ANY(%(generating_types)s::int4[])
 GROUP BY t.request_id, t.account_id, t.symbol, t.side
HAVING count(*) > 1;

-- name: complete_requests_had_their_effect
SELECT 'request ' || r.request_id || ' account ' || r.primary_account_id
       || coalesce(' is ' || a.account_status, ' is not there') AS offender
  FROM request_info r
  JOIN request_status_head h ON h.locality = r.locality AND h.request_id = r.request_id
  LEFT JOIN account_info a ON a.locality = r.locality AND a.account_id = r.primary_account_id
 WHERE r.locality = ANY(%(localities)s::int2[]) AND h.status_id = 3
   AND r.request_type_id = ANY(%(types)s::int4[])
   AND CASE
           WHEN a.account_id IS NULL THEN true
           WHEN r.request_type_id = %(onboarding)s
           THEN a.account_status = 'PENDING' OR a.strategy IS NULL OR a.base_currency IS NULL OR a.risk_profile IS NULL
           WHEN r.request_type_id = %(close)s THEN a.account_status <> 'CLOSED'
           ELSE false
       END;

-- name: account_changes_are_kept
-- The type is looked at first, so that a version that is no number is a finding and not an error.
SELECT 'request ' || l.request_id || ' account ' || r.primary_account_id || ' version '
       || coalesce(l.metadata ->> 'account_version', 'unknown') || ', the account has '
       || coalesce(a.version::text, 'none') AS offender
  FROM request_event_log l
  JOIN request_info r ON r.locality = l.locality AND r.request_id = l.request_id
  LEFT JOIN account_info a ON a.locality = r.locality AND a.account_id = r.primary_account_id
 WHERE l.locality = ANY(%(localities)s::int2[])
   AND (l.metadata ->> 'outcome' = ANY(%(updating_outcomes)s::text[]) OR l.metadata ? 'restored')
   AND (CASE WHEN jsonb_typeof(l.metadata -> 'account_version') = 'number'
             THEN (l.metadata ->> 'account_version')::numeric BETWEEN 2 AND a.version END) IS NOT TRUE;

-- name: account_changes_are_made_once
SELECT 'account ' || r.primary_account_id || ' version ' || (l.metadata ->> 'account_version') AS offender
  FROM request_event_log l
  JOIN request_info r ON r.locality = l.locality AND r.request_id = l.request_id
 WHERE l.locality = ANY(%(localities)s::int2[])
   AND (l.metadata ->> 'outcome' = ANY(%(updating_outcomes)s::text[]) OR l.metadata ? 'restored')
   AND l.metadata ? 'account_version'
 GROUP BY r.primary_account_id, l.metadata ->> 'account_version'
HAVING count(*) > 1;

-- name: last_account_change_is_visible
SELECT 'request ' || r.request_id || ' account ' || a.account_id || ' version ' || a.version AS offender
  FROM request_event_log l
  JOIN request_info r ON r.locality = l.locality AND r.request_id = l.request_id
  JOIN account_info a ON a.locality = r.locality AND a.account_id = r.primary_account_id
 WHERE l.locality = ANY(%(localities)s::int2[])
   AND (l.metadata ->> 'outcome' = ANY(%(updating_outcomes)s::text[]) OR l.metadata ? 'restored')
   AND l.metadata -> 'account_version' = to_jsonb(a.version)
   AND (CASE WHEN l.metadata ? 'restored' THEN to_jsonb(a) @> (l.metadata -> 'restored')
               WHEN r.request_type_id = %(onboarding)s
               THEN a.account_status = 'ACTIVE' AND a.strategy = r.details ->> 'strategy'
                    AND a.base_currency = r.details ->> 'base_currency'
                    AND a.risk_profile = r.details ->> 'risk_profile'
               WHEN r.request_type_id = %(profile_update)s THEN to_jsonb(a) @> (r.details -> 'changes')
               WHEN r.request_type_id = %(permission_change)s
               THEN to_jsonb(a.permissions) @> coalesce(r.details -> 'grant', '[]')
                    AND NOT EXISTS (SELECT FROM unnest(a.permissions) AS p (name) WHERE r.details -> 'revoke' ? p.name)
               WHEN r.request_type_id = %(close)s THEN a.account_status = 'CLOSED' AND a.permissions = '{}'
               ELSE true
         END) IS NOT TRUE;

-- name: nothing_changes_a_closed_account
WITH change AS (
    SELECT r.locality, r.primary_account_id, r.request_id, r.request_type_id,
           CASE WHEN jsonb_typeof(l.metadata -> 'account_version') = 'number'
                THEN (l.metadata ->> 'account_version')::numeric END AS version
      FROM request_event_log l
      JOIN request_info r ON r.locality = l.locality AND r.request_id = l.request_id
     WHERE l.locality = ANY(%(localities)s::int2[]) AND l.metadata ->> 'outcome' = ANY(%(updating_outcomes)s::text[]))
SELECT 'request ' || c.request_id || ' account ' || c.primary_account_id || ' version ' || c.version AS offender
  FROM change c
  JOIN change closing USING (primary_account_id)
 WHERE closing.request_type_id = %(close)s AND c.version > closing.version
   AND NOT EXISTS (SELECT FROM request_event_log l
                    WHERE l.locality = closing.locality AND l.request_id = closing.request_id
                      AND l.metadata ? 'restored');

-- name: figures
-- Not a check: how much there is, by type and status.
SELECT coalesce(t.request_type_code, r.request_type_id::text), coalesce(s.status_code, r.request_status_id::text),
       count(*), r.request_type_id = ANY(%(types)s::int4[])
  FROM request_info r
  LEFT JOIN request_type t ON t.request_type_id = r.request_type_id
  LEFT JOIN request_status s ON s.status_id = r.request_status_id
 WHERE r.locality = ANY(%(localities)s::int2[])
 GROUP BY 1, 2, 4;

-- name: transitions
SELECT count(*) FROM request_event_log WHERE locality = ANY(%(localities)s::int2[]);

-- What is compared across regions: a key, the same for what must not stand twice, and what the rows say of it.
-- The key is a UUID everywhere, because UUIDs are sorted alike by every database and by Python, and texts are not.

-- name: request_ids
SELECT request_id AS key FROM request_info WHERE locality = ANY(%(localities)s::int2[]) ORDER BY key;

-- name: trade_ids
SELECT trade_id AS key FROM trade_info WHERE locality = ANY(%(localities)s::int2[]) ORDER BY key;

-- name: signal_ids
SELECT signal_id AS key FROM request_signal WHERE locality = ANY(%(localities)s::int2[]) ORDER BY key;

-- name: account_numbers
SELECT md5(account_number)::uuid AS key, account_number, account_id
  FROM account_info
 WHERE locality = ANY(%(localities)s::int2[])
 ORDER BY key;

-- name: claimed_numbers
SELECT md5(account_number)::uuid AS key, account_number, account_id
  FROM account_number_claim
 WHERE locality = ANY(%(localities)s::int2[])
 ORDER BY key;
