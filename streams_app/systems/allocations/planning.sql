-- name: eligible
-- Accounts that fit criteria, in ranges of buckets. An empty list, or NULL, holds for all.
SELECT a.bucket, a.account_id
  FROM unnest(%(in_buckets)s::int2[], %(firsts)s::int8[], %(lasts)s::int8[]) AS k (bucket, first_account, last_account)
  JOIN holdings.account a ON a.bucket = k.bucket AND a.account_id BETWEEN k.first_account AND k.last_account
 WHERE (cardinality(%(segments)s::text[]) = 0 OR a.segment = ANY(%(segments)s::text[]))
   AND a.risk BETWEEN %(least_risk)s AND %(most_risk)s
   AND (cardinality(%(models)s::int4[]) = 0 OR a.model_id = ANY(%(models)s::int4[]))
   AND (cardinality(%(buckets)s::int4[]) = 0 OR a.bucket = ANY(%(buckets)s::int4[]))
   AND (%(min_cash)s::numeric IS NULL OR a.cash >= %(min_cash)s::numeric)
   AND (%(max_cash)s::numeric IS NULL OR a.cash <= %(max_cash)s::numeric)
   AND (cardinality(%(holds)s::int4[]) = 0
        OR EXISTS (SELECT 1
                     FROM holdings.position p
                    WHERE p.bucket = a.bucket AND p.account_id = a.account_id AND p.quantity > 0
                      AND p.security_id = ANY(%(holds)s::int4[])))
 ORDER BY a.bucket, a.account_id;

-- name: buckets
SELECT DISTINCT bucket FROM holdings.account;

-- name: begin
INSERT INTO holdings.rebalance (rebalance_id, group_name, criteria, trading_day, slices, accounts)
VALUES (%(rebalance_id)s, %(group)s, %(criteria)s::jsonb, %(day)s, %(slices)s, %(accounts)s);

-- name: add_slices
INSERT INTO holdings.slice (rebalance_id, slice_no, bucket, first_account, last_account)
SELECT %(rebalance_id)s, slice_no, bucket, first_account, last_account
  FROM unnest(%(numbers)s::int4[], %(buckets)s::int2[], %(firsts)s::int8[], %(lasts)s::int8[])
       AS k (slice_no, bucket, first_account, last_account);

-- name: cancel
UPDATE holdings.rebalance
   SET status = 'CANCELLING'
 WHERE rebalance_id = %(rebalance_id)s AND status IN ('RUNNING', 'CANCELLING')
RETURNING slices, trading_day;

-- name: rebalances
-- How far the newest ones have come, or one of them.
SELECT r.rebalance_id, r.created_at, r.group_name, r.trading_day, r.status, r.accounts, r.slices, s.routed, s.orders,
       r.blocks, (SELECT count(*) FROM holdings.closing c WHERE c.rebalance_id = r.rebalance_id) AS closings,
       (SELECT count(*) FROM holdings.booked_part b WHERE b.rebalance_id = r.rebalance_id) AS booked, r.ended_at
  FROM holdings.rebalance r
  JOIN LATERAL (SELECT count(routed_at) AS routed, COALESCE(sum(orders), 0)::int8 AS orders
                  FROM holdings.slice s
                 WHERE s.rebalance_id = r.rebalance_id) s ON true
 WHERE %(rebalance_id)s::uuid IS NULL OR r.rebalance_id = %(rebalance_id)s::uuid
 ORDER BY r.created_at DESC, r.rebalance_id
 LIMIT %(limit)s;

