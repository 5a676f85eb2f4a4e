-- name: open_blocks
SELECT block_order_id FROM allocations.block_order WHERE block_order_id = ANY(%(ids)s::uuid[]);

-- name: placed_blocks
-- In the domain orders.
SELECT block_order_id FROM orders.block_order WHERE block_order_id = ANY(%(ids)s::uuid[]);

-- name: lock_blocks
-- Held until the transaction ends, taken in one order everywhere: executions of a block order are applied by one.
SELECT block_order_id, rebalance_id, security_id, side, trading_day, market_price, ordered, executed, amount, allotted,
       allotted_amount, applied_seq, snapshot_seq, snapshots, is_done
  FROM allocations.block_order
 WHERE block_order_id = ANY(%(ids)s::uuid[])
 ORDER BY block_order_id
   FOR UPDATE;

-- name: persist
INSERT INTO allocations.execution (block_order_id, seq, execution_id, kind, ref_seq, quantity, price, executed_at,
                                   rejected)
SELECT *
  FROM unnest(%(ids)s::uuid[], %(seqs)s::int4[], %(execution_ids)s::uuid[], %(kinds)s::text[], %(ref_seqs)s::int4[],
              %(quantities)s::int8[], %(prices)s::numeric[], %(times)s::timestamptz[], %(faults)s::text[])
    ON CONFLICT DO NOTHING
RETURNING block_order_id, seq;

-- name: with_later
-- Block orders that have an execution after these.
SELECT k.block_order_id
  FROM unnest(%(ids)s::uuid[], %(seqs)s::int4[]) AS k (block_order_id, seq)
 WHERE EXISTS (SELECT 1 FROM allocations.execution e WHERE e.block_order_id = k.block_order_id AND e.seq > k.seq);

-- name: stored
SELECT e.block_order_id, e.seq, e.kind, e.quantity, e.price, e.executed_at, e.ref_seq, e.is_ended, e.rejected
  FROM unnest(%(ids)s::uuid[], %(seqs)s::int4[]) AS k (block_order_id, seq)
  JOIN allocations.execution e ON e.block_order_id = k.block_order_id AND e.seq = k.seq;

-- name: pending
-- Executions after these, in sequence.
SELECT e.block_order_id, e.seq, e.kind, e.quantity, e.price, e.executed_at, e.ref_seq
  FROM unnest(%(ids)s::uuid[], %(seqs)s::int4[]) AS k (block_order_id, seq)
  JOIN allocations.execution e ON e.block_order_id = k.block_order_id AND e.seq > k.seq
 ORDER BY e.block_order_id, e.seq;

-- name: advance
UPDATE allocations.block_order b
   SET executed = k.executed, amount = k.amount, allotted = k.allotted, allotted_amount = k.allotted_amount,
       applied_seq = k.applied_seq, snapshot_seq = k.snapshot_seq, snapshots = k.snapshots, is_done = k.is_done,
       updated_at = now()
  FROM unnest(%(ids)s::uuid[], %(executed)s::int8[], %(amounts)s::numeric[], %(allotted)s::int8[],
              %(allotted_amounts)s::numeric[], %(applied_seqs)s::int4[], %(snapshot_seqs)s::int4[],
              %(snapshots)s::int4[], %(done)s::bool[])
       AS k (block_order_id, executed, amount, allotted, allotted_amount, applied_seq, snapshot_seq, snapshots, is_done)
 WHERE b.block_order_id = k.block_order_id;

-- name: end_executions
UPDATE allocations.execution e
   SET is_ended = true
  FROM unnest(%(ids)s::uuid[], %(seqs)s::int4[]) AS k (block_order_id, seq)
 WHERE e.block_order_id = k.block_order_id AND e.seq = k.seq;

-- name: reject_executions
UPDATE allocations.execution e
   SET rejected = k.reason
  FROM unnest(%(ids)s::uuid[], %(seqs)s::int4[], %(reasons)s::text[]) AS k (block_order_id, seq, reason)
 WHERE e.block_order_id = k.block_order_id AND e.seq = k.seq;

-- name: add_snapshots
INSERT INTO allocations.snapshot (block_order_id, snapshot_no, kind, from_seq, to_seq, quantity, amount, average_price,
                                  fair_price, is_fair)
SELECT *
  FROM unnest(%(ids)s::uuid[], %(numbers)s::int4[], %(kinds)s::text[], %(from_seqs)s::int4[], %(to_seqs)s::int4[],
              %(quantities)s::int8[], %(amounts)s::numeric[], %(averages)s::numeric[], %(fair_prices)s::numeric[],
              %(fair)s::bool[]);

-- name: parts
SELECT block_order_id, part_no, ordered, allotted
  FROM allocations.part
 WHERE block_order_id = ANY(%(ids)s::uuid[])
 ORDER BY block_order_id, part_no;

-- name: allot
UPDATE allocations.part p
   SET allotted = k.allotted
  FROM unnest(%(ids)s::uuid[], %(parts)s::int4[], %(allotted)s::int8[]) AS k (block_order_id, part_no, allotted)
 WHERE p.block_order_id = k.block_order_id AND p.part_no = k.part_no;

-- name: add_dues
INSERT INTO allocations.part_due (block_order_id, part_no, snapshot_no, quantity, amount)
SELECT *
  FROM unnest(%(ids)s::uuid[], %(parts)s::int4[], %(snapshots)s::int4[], %(quantities)s::int8[],
              %(amounts)s::numeric[]);

-- name: behind
-- Block orders whose next execution is missing although a later one is there, or that hear nothing of the market.
SELECT b.block_order_id, b.applied_seq
  FROM allocations.block_order b
 WHERE (b.updated_at < now() - %(gap)s::float8 * interval '1 second' AND b.updated_at > now() - interval '1 day'
        AND EXISTS (SELECT 1
                      FROM allocations.execution e
                     WHERE e.block_order_id = b.block_order_id AND e.seq > b.applied_seq
                       AND e.captured_at < now() - %(gap)s::float8 * interval '1 second'))
    OR (NOT b.is_done AND b.updated_at < now() - %(silence)s::float8 * interval '1 second')
 ORDER BY b.block_order_id;

-- name: executed
-- In the domain trades: what the market executed after these.
SELECT e.execution_id, e.block_order_id, e.seq, e.kind, e.quantity, e.price, e.executed_at, e.ref_seq
  FROM unnest(%(ids)s::uuid[], %(seqs)s::int4[]) AS k (block_order_id, seq)
  JOIN trades.execution e ON e.block_order_id = k.block_order_id AND e.seq > k.seq
 ORDER BY e.block_order_id, e.seq
 LIMIT %(most)s;
