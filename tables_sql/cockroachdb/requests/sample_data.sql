-- Sample data: 10,000 accounts, 1,000 requests with 1 to 3 events each, 1,000 links, 5,000 trades. Run it after
-- `migrate`, as the owner of the tables; running it again adds nothing.
-- Checked: the grammar, by CockroachDB's own parser (25.2). Not checked: types, names and behaviour on a server.
-- `verify` finds nothing wrong afterwards. The 200 requests that have only just arrived wait for a worker; without one
-- they are reported as stuck after a minute and a half. None is COMPLETE, which takes five events: the command
-- `faust -A streams_app sample-data` plays whole histories.

-- What happens to request n is path n % 10: a fifth of the requests has one event, two fifths two, two fifths three.
CREATE TABLE sample_path AS
SELECT *
  FROM (VALUES
    (0, 1, 2, 2001, 1, NULL, NULL, 'create', 0),
    (1, 1, 2, 2001, 1, NULL, NULL, 'create', 0),
    (1, 2, 2, 2091, 4, 'invalid', 'contact_email_invalid', 'step-1', 2),
    (2, 1, 2, 2001, 1, NULL, NULL, 'create', 0),
    (2, 2, 2, 2093, 5, 'cancel', 'withdrawn_by_client', 'signal', 60),
    (3, 1, 2, 2001, 1, NULL, NULL, 'create', 0),
    (3, 2, 2, 2002, 2, 'valid', NULL, 'step-1', 2),
    (3, 3, 2, 2003, 2, 'escalate', NULL, 'step-2', 4),
    (4, 1, 2, 2001, 1, NULL, NULL, 'create', 0),
    (4, 2, 2, 2002, 2, 'valid', NULL, 'step-1', 2),
    (4, 3, 2, 2093, 5, 'cancel', 'withdrawn_by_client', 'signal', 3),
    (5, 1, 1, 1001, 1, NULL, NULL, 'create', 0),
    (6, 1, 1, 1001, 1, NULL, NULL, 'create', 0),
    (6, 2, 1, 1002, 2, 'valid', NULL, 'step-1', 2),
    (7, 1, 1, 1001, 1, NULL, NULL, 'create', 0),
    (7, 2, 1, 1002, 2, 'valid', NULL, 'step-1', 2),
    (7, 3, 1, 1091, 4, 'reject', 'declined', 'signal', 7200),
    (8, 1, 3, 3001, 1, NULL, NULL, 'create', 0),
    (8, 2, 3, 3002, 2, 'valid', NULL, 'step-1', 2),
    (9, 1, 4, 4001, 1, NULL, NULL, 'create', 0),
    (9, 2, 4, 4002, 2, 'valid', NULL, 'step-1', 2),
    (9, 3, 4, 4092, 4, 'timeout', 'timed_out', 'timeout-2', 259202)
) AS p (path, seq_num, type_id, link_id, status_id, outcome, reason, cause, seconds);

CREATE TABLE sample_account AS
SELECT n, account_number, account_id, mod(crc32ieee(account_id::bytes), 30)::int2 AS locality,
       mod(crc32ieee(account_number::bytes), 30)::int2 AS claim_locality,
       -- Accounts of the first thousand are those of the requests; the onboarding ones are not open yet.
       n <= 1000 AND n % 10 IN (5, 6, 7) AS is_pending
  FROM (SELECT n, 'ACCT-' || lpad(n::text, 8, '0') AS account_number,
               md5('account ' || n::text)::uuid AS account_id
          FROM generate_series(1, 10000) AS g (n)) a;

CREATE TABLE sample_request AS
SELECT a.n, a.n % 10 AS path, a.locality, a.account_id, md5('request ' || a.n::text)::uuid AS request_id,
       md5('signal ' || a.n::text)::uuid AS signal_id, 'advisor_' || lpad((a.n % 100)::text, 3, '0') AS requested_by,
       CASE WHEN a.n % 10 IN (0, 5) THEN now()
            WHEN a.n % 10 IN (3, 6, 8) THEN now() - interval '1 hour'
            -- The ended ones: over the last month, the latest longer ago than any of them took.
            ELSE now() - interval '4 days' - a.n * interval '40 minutes' END AS created_ts
  FROM sample_account a
 WHERE a.n <= 1000;

INSERT INTO account_number_claim (locality, account_number, account_id)
SELECT claim_locality, account_number, account_id
  FROM sample_account
    ON CONFLICT (locality, account_number) DO NOTHING;

INSERT INTO account_info (account_id, account_number, account_name, strategy, base_currency, account_status,
                          risk_profile, contact_email, mailing_preference, permissions)
SELECT account_id, account_number, 'Sample account ' || n::text,
       CASE WHEN is_pending THEN NULL
            WHEN n % 4 = 0 THEN 'Growth' WHEN n % 4 = 1 THEN 'Income' WHEN n % 4 = 2 THEN 'Balanced'
            ELSE 'Aggressive' END,
       CASE WHEN is_pending THEN NULL WHEN n % 3 = 0 THEN 'USD' WHEN n % 3 = 1 THEN 'EUR' ELSE 'GBP' END,
       CASE WHEN is_pending THEN 'PENDING' ELSE 'ACTIVE' END,
       CASE WHEN is_pending THEN NULL ELSE 'LOW' END,
       CASE WHEN is_pending THEN NULL ELSE 'client.' || n::text || '@example.com' END,
       CASE WHEN is_pending THEN NULL ELSE 'EMAIL' END,
       CASE WHEN is_pending THEN string_to_array('', ',') ELSE string_to_array('VIEW,WITHDRAW', ',') END
  FROM sample_account
    ON CONFLICT (locality, account_id) DO NOTHING;

INSERT INTO request_info (locality, request_id, request_type_id, primary_account_id, created_ts, requested_by,
                          description, request_status_id, details)
SELECT r.locality, r.request_id, p.type_id, r.account_id, r.created_ts, r.requested_by, 'Sample request', p.status_id,
       CASE WHEN r.path IN (0, 2, 4) THEN '{"changes": {"mailing_preference": "PAPER"}}'
            WHEN r.path = 1 THEN '{"changes": {"contact_email": "nobody at all"}}'
            WHEN r.path = 3 THEN '{"changes": {"risk_profile": "HIGH"}}'
            WHEN r.path = 8 THEN '{"grant": ["TRADE"]}'
            WHEN r.path = 9 THEN '{"reason": "moved away"}'
            ELSE '{"strategy": "Growth", "base_currency": "USD", "risk_profile": "LOW"}' END::jsonb
  FROM sample_request r
  JOIN sample_path p ON p.path = r.path
 WHERE p.seq_num = (SELECT max(q.seq_num) FROM sample_path q WHERE q.path = r.path)
    ON CONFLICT (locality, request_id) DO NOTHING;

INSERT INTO request_account_link (locality, request_id, account_id, role)
SELECT locality, request_id, account_id, 'PRIMARY' FROM sample_request
    ON CONFLICT (locality, request_id, account_id) DO NOTHING;

INSERT INTO request_event_log (locality, request_id, seq_num, action_state_link_id, status_id, event_ts, actor,
                               metadata, idempotency_key)
SELECT r.locality, r.request_id, p.seq_num, p.link_id, p.status_id, r.created_ts + p.seconds * interval '1 second',
       CASE WHEN p.cause = 'create' THEN r.requested_by
            WHEN p.cause = 'signal' THEN 'client_' || lpad((r.n % 100)::text, 3, '0')
            ELSE 'orchestrator' END,
       CASE WHEN p.outcome IS NULL THEN '{}'::jsonb
            WHEN p.reason IS NULL THEN jsonb_build_object('outcome', p.outcome)
            ELSE jsonb_build_object('outcome', p.outcome, 'reason', p.reason) END,
       CASE WHEN p.cause = 'signal' THEN 'signal-' || r.signal_id::text ELSE p.cause END
  FROM sample_request r
  JOIN sample_path p ON p.path = r.path
    ON CONFLICT (locality, request_id, seq_num) DO NOTHING;

INSERT INTO request_status_head (locality, request_id, action_state_link_id, status_id, event_ts, seq_num)
SELECT r.locality, r.request_id, p.link_id, p.status_id, r.created_ts + p.seconds * interval '1 second', p.seq_num
  FROM sample_request r
  JOIN sample_path p ON p.path = r.path
 WHERE p.seq_num = (SELECT max(q.seq_num) FROM sample_path q WHERE q.path = r.path)
    ON CONFLICT (locality, request_id) DO NOTHING;

INSERT INTO request_signal (locality, request_id, signal_id, kind, actor, payload, created_ts)
SELECT r.locality, r.request_id, r.signal_id, p.outcome, 'client_' || lpad((r.n % 100)::text, 3, '0'),
       jsonb_build_object('reason', p.reason), r.created_ts + p.seconds * interval '1 second'
  FROM sample_request r
  JOIN sample_path p ON p.path = r.path
 WHERE p.cause = 'signal'
    ON CONFLICT (locality, request_id, signal_id) DO NOTHING;

-- Ten with each change of a profile: both sides of SYM0001 to SYM0005. They are cancelled where the request has ended.
INSERT INTO trade_info (locality, trade_id, request_id, account_id, symbol, side, quantity, price, currency, status_id,
                        created_ts, updated_ts)
SELECT r.locality, md5('trade ' || r.n::text || ' ' || t.n::text)::uuid, r.request_id, r.account_id,
       'SYM000' || (1 + t.n % 5)::text, CASE WHEN t.n < 5 THEN 'BUY' ELSE 'SELL' END,
       (10 + t.n * 2.5)::numeric(20, 4), (20 + r.n % 80)::numeric(20, 4),
       CASE WHEN r.n % 3 = 0 THEN 'USD' WHEN r.n % 3 = 1 THEN 'EUR' ELSE 'GBP' END,
       CASE WHEN r.path IN (0, 3) THEN 1 ELSE 5 END, r.created_ts, r.created_ts
  FROM sample_request r
 CROSS JOIN generate_series(0, 9) AS t (n)
 WHERE r.path < 5
    ON CONFLICT (locality, trade_id) DO NOTHING;

DROP TABLE sample_request;

DROP TABLE sample_account;

DROP TABLE sample_path;
