-- name: add_rebalances
INSERT INTO orders.rebalance (rebalance_id, slices, trading_day)
SELECT rebalance_id, slices, trading_day
  FROM unnest(%(ids)s::uuid[], %(slices)s::int4[], %(days)s::date[]) AS k (rebalance_id, slices, trading_day)
 ORDER BY rebalance_id
    ON CONFLICT (rebalance_id) DO NOTHING;

-- name: rebalances
-- Held until the transaction ends: slices of a rebalance, and its cancel, come one after the other.
SELECT rebalance_id, status FROM orders.rebalance WHERE rebalance_id = ANY(%(ids)s::uuid[]) ORDER BY rebalance_id
   FOR UPDATE;

-- name: add_slices
INSERT INTO orders.routed_slice (rebalance_id, slice_no)
SELECT rebalance_id, slice_no FROM unnest(%(ids)s::uuid[], %(numbers)s::int4[]) AS k (rebalance_id, slice_no);

-- name: add_quantities
INSERT INTO orders.routed_quantity (rebalance_id, slice_no, security_id, side, quantity, accounts)
SELECT rebalance_id, slice_no, security_id, side, quantity, accounts
  FROM unnest(%(ids)s::uuid[], %(numbers)s::int4[], %(securities)s::int4[], %(sides)s::text[], %(quantities)s::int8[],
              %(accounts)s::int4[]) AS k (rebalance_id, slice_no, security_id, side, quantity, accounts);

-- name: complete
-- Of rebalances, those whose slices are all there.
SELECT r.rebalance_id
  FROM orders.rebalance r
 WHERE r.rebalance_id = ANY(%(ids)s::uuid[])
   AND r.slices = (SELECT count(*) FROM orders.routed_slice s WHERE s.rebalance_id = r.rebalance_id)
 ORDER BY r.rebalance_id;

-- name: sums
SELECT rebalance_id, security_id, side, sum(quantity)::int8, sum(accounts)::int4
  FROM orders.routed_quantity
 WHERE rebalance_id = ANY(%(ids)s::uuid[])
 GROUP BY rebalance_id, security_id, side
 ORDER BY rebalance_id, security_id, side;

-- name: add_blocks
INSERT INTO orders.block_order (block_order_id, rebalance_id, security_id, side, quantity, accounts, trading_day)
SELECT k.block_order_id, k.rebalance_id, k.security_id, k.side, k.quantity, k.accounts, r.trading_day
  FROM unnest(%(blocks)s::uuid[], %(ids)s::uuid[], %(securities)s::int4[], %(sides)s::text[], %(quantities)s::int8[],
              %(accounts)s::int4[]) AS k (block_order_id, rebalance_id, security_id, side, quantity, accounts)
  JOIN orders.rebalance r ON r.rebalance_id = k.rebalance_id;

-- name: placed
-- A rebalance without block orders is over.
UPDATE orders.rebalance r
   SET status = CASE k.blocks WHEN 0 THEN 'CLOSED' ELSE 'PLACED' END, blocks = k.blocks, updated_at = now()
  FROM unnest(%(ids)s::uuid[], %(counts)s::int4[]) AS k (rebalance_id, blocks)
 WHERE r.rebalance_id = k.rebalance_id;

-- name: cancelled
UPDATE orders.rebalance
   SET status = 'CANCELLED', blocks = 0, updated_at = now()
 WHERE rebalance_id = ANY(%(ids)s::uuid[]);

-- name: open_blocks
-- What a cancel still concerns, held until the transaction ends.
SELECT block_order_id, rebalance_id, status
  FROM orders.block_order
 WHERE rebalance_id = ANY(%(ids)s::uuid[]) AND status IN ('NEW', 'SENT') AND NOT is_cancelled
 ORDER BY block_order_id
   FOR UPDATE;

-- name: cancel_blocks
-- What the market has is cancelled there; the rest ends here.
UPDATE orders.block_order
   SET status = CASE status WHEN 'NEW' THEN 'CANCELLED' ELSE status END, is_cancelled = true, updated_at = now()
 WHERE block_order_id = ANY(%(blocks)s::uuid[]);

-- name: new_blocks
-- Held until the transaction ends: a cancel comes before or after.
SELECT block_order_id, rebalance_id, security_id, side, quantity, trading_day
  FROM orders.block_order
 WHERE block_order_id = ANY(%(blocks)s::uuid[]) AND status = 'NEW'
 ORDER BY block_order_id
   FOR UPDATE;

-- name: sent
UPDATE orders.block_order SET status = 'SENT', updated_at = now() WHERE block_order_id = ANY(%(blocks)s::uuid[]);
