-- name: due
-- Slices that are not routed yet, held until the transaction ends.
SELECT s.rebalance_id, s.slice_no, s.bucket, s.first_account, s.last_account, r.status, r.slices, r.trading_day,
       r.criteria
  FROM unnest(%(ids)s::uuid[], %(numbers)s::int4[]) AS k (rebalance_id, slice_no)
  JOIN holdings.slice s ON s.rebalance_id = k.rebalance_id AND s.slice_no = k.slice_no
  JOIN holdings.rebalance r ON r.rebalance_id = s.rebalance_id
 WHERE s.routed_at IS NULL
 ORDER BY s.rebalance_id, s.slice_no
   FOR UPDATE OF s;

-- name: portfolios
-- Accounts of one bucket with what they hold.
SELECT a.account_id, a.cash, a.model_id, p.securities, p.quantities
  FROM holdings.account a
  LEFT JOIN LATERAL (SELECT array_agg(security_id) AS securities, array_agg(quantity) AS quantities
                       FROM holdings.position p
                      WHERE p.bucket = a.bucket AND p.account_id = a.account_id AND p.quantity > 0) p ON true
 WHERE a.bucket = %(bucket)s AND a.account_id = ANY(%(accounts)s::int8[])
 ORDER BY a.account_id;

-- name: targets
SELECT model_id, security_id, weight FROM holdings.model_target ORDER BY model_id, security_id;

-- name: add_orders
-- Customer orders of one bucket; each names its block order by its place among them.
INSERT INTO holdings.customer_order (block_order_id, bucket, account_id, rebalance_id, security_id, side, quantity)
SELECT b.block_order_id, %(bucket)s, k.account_id, %(rebalance_id)s, b.security_id, b.side, k.quantity
  FROM unnest(%(places)s::int4[], %(accounts)s::int8[], %(quantities)s::int8[]) AS k (place, account_id, quantity)
  JOIN unnest(%(numbers)s::int4[], %(blocks)s::uuid[], %(securities)s::int4[], %(sides)s::text[])
       AS b (place, block_order_id, security_id, side) ON b.place = k.place;

-- name: routed
UPDATE holdings.slice s
   SET orders = k.orders, routed_at = now()
  FROM unnest(%(ids)s::uuid[], %(numbers)s::int4[], %(orders)s::int4[]) AS k (rebalance_id, slice_no, orders)
 WHERE s.rebalance_id = k.rebalance_id AND s.slice_no = k.slice_no;
