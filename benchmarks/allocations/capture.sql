-- name: place
-- Block orders at the market: whoever captures executions asks for them.
INSERT INTO orders.block_order (block_order_id, rebalance_id, security_id, side, quantity, accounts, trading_day, status)
SELECT id, %(rebalance_id)s, number, 'BUY', %(quantity)s, %(parts)s, current_date, 'SENT'
FROM unnest(%(ids)s::uuid[]) WITH ORDINALITY AS k (id, number);

-- name: open
INSERT INTO allocations.block_order (block_order_id, rebalance_id, security_id, side, trading_day, market_price,
                                     ordered, parts)
SELECT id, %(rebalance_id)s, number, 'BUY', current_date, 100, %(quantity)s, %(parts)s
FROM unnest(%(ids)s::uuid[]) WITH ORDINALITY AS k (id, number);

-- name: open_parts
INSERT INTO allocations.part (block_order_id, part_no, bucket, ordered)
SELECT id, part_no, part_no, %(quantity)s::int8 / %(parts)s::int4
FROM unnest(%(ids)s::uuid[]) AS k (id), generate_series(0, %(parts)s::int4 - 1) AS part_no;

-- name: insert
-- What capture must write at the very least.
INSERT INTO allocations.execution (block_order_id, seq, execution_id, kind, quantity, price, executed_at)
SELECT k.*
FROM unnest(%(ids)s::uuid[], %(seqs)s::int4[], %(execution_ids)s::uuid[], %(kinds)s::text[], %(quantities)s::int8[],
            %(prices)s::numeric[], %(times)s::timestamptz[]) AS k;

-- name: advance
UPDATE allocations.block_order AS b
SET applied_seq = k.seq, executed = b.executed + k.quantity, amount = b.amount + k.quantity * 100, updated_at = now()
FROM unnest(%(block_ids)s::uuid[], %(last_seqs)s::int4[], %(sums)s::int8[]) AS k (id, seq, quantity)
WHERE b.block_order_id = k.id;
