-- name: receive
-- Orders that the market has to execute. One whose cancel came first is cancelled, and done at once.
WITH received AS (
    INSERT INTO trades.market_order AS m (block_order_id, security_id, side, quantity, market_price, status)
    SELECT k.block_order_id, k.security_id, k.side, k.quantity, k.market_price, 'WORKING'
      FROM unnest(%(ids)s::uuid[], %(security_ids)s::int4[], %(sides)s::text[], %(quantities)s::int8[],
                  %(prices)s::numeric[]) AS k (block_order_id, security_id, side, quantity, market_price)
        ON CONFLICT (block_order_id) DO UPDATE
       SET security_id = excluded.security_id, side = excluded.side, quantity = excluded.quantity,
           market_price = excluded.market_price, next_seq = 2, updated_at = clock_timestamp()
     WHERE m.security_id IS NULL
    RETURNING block_order_id, status
)
INSERT INTO trades.execution (block_order_id, seq, execution_id, kind, quantity, price, executed_at)
SELECT r.block_order_id, 1, k.execution_id, 'DONE', 0, 0, clock_timestamp()
  FROM received r
  JOIN unnest(%(ids)s::uuid[], %(execution_ids)s::uuid[]) AS k (block_order_id, execution_id)
       ON k.block_order_id = r.block_order_id
 WHERE r.status = 'CANCELLED';

-- name: cancel
-- A row of a cancel alone says to whoever brings the order that nothing is to be executed.
INSERT INTO trades.market_order AS m (block_order_id, status, cancel_requested)
SELECT id, 'CANCELLED', true FROM unnest(%(ids)s::uuid[]) AS k (id)
    ON CONFLICT (block_order_id) DO UPDATE SET cancel_requested = true, updated_at = clock_timestamp()
 WHERE NOT m.cancel_requested;

-- name: take_working
-- The orders that have waited longest, held until the transaction ends; those that another round holds are its own.
SELECT block_order_id, quantity, market_price, cancel_requested, next_piece, next_seq
  FROM trades.market_order
 WHERE status = 'WORKING'
 ORDER BY updated_at
 LIMIT %(orders)s
   FOR UPDATE SKIP LOCKED;

-- name: execute
INSERT INTO trades.execution (block_order_id, seq, execution_id, kind, ref_seq, quantity, price, executed_at)
SELECT k.block_order_id, k.seq, k.execution_id, k.kind, k.ref_seq, k.quantity, k.price, clock_timestamp()
  FROM unnest(%(ids)s::uuid[], %(seqs)s::int4[], %(execution_ids)s::uuid[], %(kinds)s::text[], %(ref_seqs)s::int4[],
              %(quantities)s::int8[], %(prices)s::numeric[])
       AS k (block_order_id, seq, execution_id, kind, ref_seq, quantity, price);

-- name: advance
UPDATE trades.market_order m
   SET next_piece = k.next_piece, next_seq = k.next_seq, status = k.status, updated_at = clock_timestamp()
  FROM unnest(%(ids)s::uuid[], %(next_pieces)s::int4[], %(next_seqs)s::int4[], %(statuses)s::text[])
       AS k (block_order_id, next_piece, next_seq, status)
 WHERE m.block_order_id = k.block_order_id;
