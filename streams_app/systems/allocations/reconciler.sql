-- name: hold_rebalances
SELECT rebalance_id FROM holdings.rebalance
 WHERE rebalance_id = ANY(%(rebalance_ids)s::uuid[])
 ORDER BY rebalance_id
   FOR UPDATE;

-- name: write_blocks
UPDATE holdings.rebalance r
   SET blocks = k.blocks
  FROM unnest(%(rebalance_ids)s::uuid[], %(blocks)s::int4[]) AS k (rebalance_id, blocks)
 WHERE r.rebalance_id = k.rebalance_id;

-- name: write_closings
-- An older one never replaces a newer one.
INSERT INTO holdings.closing AS c (block_order_id, rebalance_id, executed, amount, version)
SELECT *
  FROM unnest(%(block_order_ids)s::uuid[], %(rebalance_ids)s::uuid[], %(executed)s::int8[], %(amounts)s::numeric[],
              %(versions)s::int4[])
    ON CONFLICT (block_order_id) DO UPDATE
   SET executed = excluded.executed, amount = excluded.amount, version = excluded.version, closed_at = now()
 WHERE c.version < excluded.version;

-- name: ready
-- Open rebalances all of whose block orders are closed; one that somebody else looks at is left to them.
SELECT r.rebalance_id
  FROM holdings.rebalance r
 WHERE r.ended_at IS NULL
   AND r.blocks = (SELECT count(*) FROM holdings.closing c WHERE c.rebalance_id = r.rebalance_id)
 ORDER BY r.rebalance_id
   FOR UPDATE OF r SKIP LOCKED;

-- name: differing
-- Of rebalances that are ready to end, of block orders that were closed lately, and of those known to differ.
WITH looked_at AS (
    SELECT block_order_id FROM holdings.closing WHERE rebalance_id = ANY(%(rebalance_ids)s::uuid[])
     UNION
    SELECT block_order_id FROM holdings.closing
     WHERE closed_at BETWEEN now() - %(looked_at)s::float8 * interval '1 second'
                         AND now() - %(break_after)s::float8 * interval '1 second'
     UNION
    SELECT k.block_order_id FROM unnest(%(block_order_ids)s::uuid[]) AS k (block_order_id)
)
SELECT c.rebalance_id, c.closed_at <= now() - %(break_after)s::float8 * interval '1 second', c.block_order_id, c.executed,
       c.amount, b.quantity, b.amount
  FROM looked_at l
  JOIN holdings.closing c ON c.block_order_id = l.block_order_id
 CROSS JOIN LATERAL (SELECT coalesce(sum(p.quantity), 0)::int8 AS quantity, coalesce(sum(p.amount), 0) AS amount
                       FROM holdings.booked_part p
                      WHERE p.block_order_id = c.block_order_id) b
 WHERE c.executed <> b.quantity OR c.amount <> b.amount;

-- name: end
UPDATE holdings.rebalance
   SET status = CASE status WHEN 'CANCELLING' THEN 'CANCELLED' ELSE 'COMPLETE' END, ended_at = now()
 WHERE rebalance_id = ANY(%(rebalance_ids)s::uuid[]);

-- name: negative_cash
-- Of rebalances that ended, as far as no open one trades for the account; and of accounts known to be below zero.
SELECT a.bucket, a.account_id, a.cash
  FROM holdings.slice s
  JOIN holdings.account a ON a.bucket = s.bucket AND a.account_id BETWEEN s.first_account AND s.last_account
 WHERE s.rebalance_id = ANY(%(rebalance_ids)s::uuid[]) AND a.cash < 0
   AND NOT EXISTS (SELECT FROM holdings.rebalance r
                     JOIN holdings.slice o ON o.rebalance_id = r.rebalance_id
                    WHERE r.ended_at IS NULL AND o.bucket = a.bucket
                      AND a.account_id BETWEEN o.first_account AND o.last_account)
 UNION
SELECT a.bucket, a.account_id, a.cash
  FROM unnest(%(buckets)s::int2[], %(accounts)s::int8[]) AS k (bucket, account_id)
  JOIN holdings.account a ON a.bucket = k.bucket AND a.account_id = k.account_id
 WHERE a.cash < 0;

-- name: negative_positions
SELECT p.bucket, p.account_id, p.security_id
  FROM unnest(%(buckets)s::int2[], %(accounts)s::int8[], %(securities)s::int4[]) AS k (bucket, account_id, security_id)
  JOIN holdings.position p ON p.bucket = k.bucket AND p.account_id = k.account_id AND p.security_id = k.security_id
 WHERE p.quantity < 0;

-- name: newest_unfair
-- From when on snapshots are to be looked at; a transaction that was slow to commit is seen all the same.
SELECT coalesce(max(found_at), '1970-01-01') - %(seconds)s::float8 * interval '1 second'
  FROM holdings.booking_break
 WHERE kind = %(kind)s;

-- name: unfair_snapshots
SELECT block_order_id, snapshot_no, average_price, fair_price
  FROM allocations.snapshot
 WHERE NOT is_fair AND taken_at >= %(since)s;
