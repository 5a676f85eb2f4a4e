-- One region as it is after a month: 20,000 accounts, 200,000 requests, 2 % of them open, three events each.
SET session_replication_role = replica;
SET synchronous_commit = off;

INSERT INTO account_info (account_id, account_number, account_name)
SELECT md5('a' || i)::uuid, 'A' || i, 'A'
  FROM generate_series(1, 60000) i
 WHERE account_locality(md5('a' || i)::uuid) BETWEEN 0 AND 9;

-- In the order of the keys, so that no index grows at random places.
CREATE TEMP TABLE plan AS
SELECT i, a.locality, a.account_id, md5('r' || i)::uuid AS request_id, i % 50 = 0 AS is_open,
       now() - i * interval '13 seconds' AS created_ts
  FROM generate_series(1, 200000) i
  JOIN (SELECT locality, account_id, row_number() OVER (ORDER BY account_id) AS n FROM account_info) a
    ON a.n = 1 + i % 15000
 ORDER BY 2, 4;

INSERT INTO account_number_claim
SELECT i % 10, 'A' || i, md5('a' || i)::uuid FROM generate_series(1, 20000) i;

INSERT INTO request_info (locality, request_id, request_type_id, primary_account_id, created_ts, requested_by,
                          request_status_id)
SELECT locality, request_id, 2, account_id, created_ts, 'x', CASE WHEN is_open THEN 2 ELSE 3 END FROM plan;

INSERT INTO request_event_log (locality, request_id, seq_num, action_state_link_id, status_id, event_ts, actor,
                               idempotency_key)
SELECT locality, request_id, n, CASE n WHEN 1 THEN 2001 WHEN 2 THEN 2003 ELSE 2090 END,
       CASE n WHEN 1 THEN 1 WHEN 2 THEN 2 ELSE 3 END, created_ts + n * interval '1 second', 'x', 'step-' || n
  FROM plan
  JOIN LATERAL generate_series(1, CASE WHEN is_open THEN 2 ELSE 3 END) n ON true;

INSERT INTO request_status_head (locality, request_id, action_state_link_id, status_id, event_ts, seq_num)
SELECT locality, request_id, CASE WHEN is_open THEN 2003 ELSE 2090 END, CASE WHEN is_open THEN 2 ELSE 3 END,
       created_ts + interval '3 seconds', CASE WHEN is_open THEN 2 ELSE 3 END
  FROM plan;

INSERT INTO request_account_link (locality, request_id, account_id, role)
SELECT locality, request_id, account_id, 'PRIMARY' FROM plan;

INSERT INTO trade_info (locality, trade_id, request_id, account_id, symbol, side, quantity, price, currency, status_id)
SELECT locality, md5('t' || i)::uuid, request_id, account_id, 'S', 'BUY', 1, 1, 'USD', 3 FROM plan WHERE i % 5 = 0;

INSERT INTO request_signal (locality, request_id, signal_id, kind, actor)
SELECT locality, request_id, md5('s' || i)::uuid, 'approve', 'x' FROM plan WHERE i % 2 = 0;
