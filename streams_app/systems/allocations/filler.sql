-- name: take_due
-- What parts were given and their accounts have not got yet, held until the transaction ends: an older snapshot that
-- somebody else is filling is waited for.
SELECT d.block_order_id, d.part_no, d.snapshot_no, d.quantity, d.amount
  FROM unnest(%(ids)s::uuid[], %(parts)s::int4[]) AS k (block_order_id, part_no)
  JOIN allocations.part_due d ON d.block_order_id = k.block_order_id AND d.part_no = k.part_no
 WHERE d.filled_at IS NULL
 ORDER BY d.block_order_id, d.part_no, d.snapshot_no
   FOR UPDATE OF d;

-- name: parts
SELECT p.block_order_id, p.part_no, p.bucket, b.rebalance_id, b.security_id, b.side, b.trading_day
  FROM unnest(%(ids)s::uuid[], %(parts)s::int4[]) AS k (block_order_id, part_no)
  JOIN allocations.part p ON p.block_order_id = k.block_order_id AND p.part_no = k.part_no
  JOIN allocations.block_order b ON b.block_order_id = k.block_order_id;

-- name: accounts
SELECT a.block_order_id, a.part_no, a.account_id, a.ordered, a.filled
  FROM unnest(%(ids)s::uuid[], %(parts)s::int4[]) AS k (block_order_id, part_no)
  JOIN allocations.allocation a ON a.block_order_id = k.block_order_id AND a.part_no = k.part_no
 ORDER BY a.block_order_id, a.part_no, a.account_id;

-- name: add_fills
-- Of one part and one snapshot.
INSERT INTO allocations.fill (block_order_id, part_no, snapshot_no, account_id, quantity, amount)
SELECT %(id)s, %(part)s, %(snapshot)s, k.account_id, k.quantity, k.amount
  FROM unnest(%(accounts)s::int8[], %(quantities)s::int8[], %(amounts)s::numeric[]) AS k (account_id, quantity, amount);

-- name: add_to_allocations
UPDATE allocations.allocation a
   SET filled = a.filled + k.quantity, amount = a.amount + k.amount
  FROM unnest(%(ids)s::uuid[], %(parts)s::int4[], %(accounts)s::int8[], %(quantities)s::int8[], %(amounts)s::numeric[])
       AS k (block_order_id, part_no, account_id, quantity, amount)
 WHERE a.block_order_id = k.block_order_id AND a.part_no = k.part_no AND a.account_id = k.account_id;

-- name: filled
UPDATE allocations.part_due d
   SET filled_at = now()
  FROM unnest(%(ids)s::uuid[], %(parts)s::int4[], %(snapshots)s::int4[])
       AS k (block_order_id, part_no, snapshot_no)
 WHERE d.block_order_id = k.block_order_id AND d.part_no = k.part_no AND d.snapshot_no = k.snapshot_no;
