-- name: customer_orders
-- In the domain holdings. What a block order was made of is final.
SELECT bucket, account_id, quantity
  FROM holdings.customer_order
 WHERE block_order_id = %(id)s
 ORDER BY bucket, account_id;

-- name: add_block
INSERT INTO allocations.block_order (block_order_id, rebalance_id, security_id, side, trading_day, market_price, ordered,
                                     parts)
VALUES (%(block_order_id)s, %(rebalance_id)s, %(security_id)s, %(side)s, %(trading_day)s, %(market_price)s,
        %(quantity)s, %(parts)s);

-- name: add_parts
INSERT INTO allocations.part (block_order_id, part_no, bucket, ordered)
SELECT %(id)s, k.part_no, k.bucket, k.ordered
  FROM unnest(%(parts)s::int4[], %(buckets)s::int2[], %(ordered)s::int8[]) AS k (part_no, bucket, ordered);

-- name: add_allocations
INSERT INTO allocations.allocation (block_order_id, part_no, account_id, ordered)
SELECT %(id)s, %(part)s, k.account_id, k.ordered
  FROM unnest(%(accounts)s::int8[], %(quantities)s::int8[]) AS k (account_id, ordered);
