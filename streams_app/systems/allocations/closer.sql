-- name: hold_rebalances
SELECT rebalance_id FROM orders.rebalance
 WHERE rebalance_id = ANY(%(rebalance_ids)s::uuid[])
 ORDER BY rebalance_id
   FOR UPDATE;

-- name: hold_block_orders
SELECT block_order_id FROM orders.block_order
 WHERE block_order_id = ANY(%(block_order_ids)s::uuid[])
 ORDER BY block_order_id
   FOR UPDATE;

-- name: close_block_orders
-- What is older than the row says is not written.
UPDATE orders.block_order b
   SET executed = k.executed, amount = k.amount, version = k.version, updated_at = now(),
       status = CASE WHEN k.executed = b.quantity THEN 'FILLED'
                     WHEN k.executed = 0 AND b.is_cancelled THEN 'CANCELLED'
                     ELSE 'PARTIAL' END
  FROM unnest(%(block_order_ids)s::uuid[], %(executed)s::int8[], %(amounts)s::numeric[], %(versions)s::int4[])
    AS k (block_order_id, executed, amount, version)
 WHERE b.block_order_id = k.block_order_id AND b.version < k.version;

-- name: close_rebalances
UPDATE orders.rebalance r
   SET status = 'CLOSED', updated_at = now()
 WHERE r.rebalance_id = ANY(%(rebalance_ids)s::uuid[]) AND r.status = 'PLACED'
   AND NOT EXISTS (SELECT FROM orders.block_order b
                    WHERE b.rebalance_id = r.rebalance_id AND b.status IN ('NEW', 'SENT'));
