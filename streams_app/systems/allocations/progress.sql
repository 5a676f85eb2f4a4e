-- name: holdings
-- Slices, those that are routed, their customer orders, booked parts; rebalances, those that have ended, and of them
-- those that were cancelled.
SELECT s.*, b.*, r.*
FROM (SELECT count(*), count(routed_at), coalesce(sum(orders), 0) FROM holdings.slice) AS s,
     (SELECT count(*) FROM holdings.booked_part) AS b,
     (SELECT count(*), count(ended_at), count(*) FILTER (WHERE status = 'CANCELLED') FROM holdings.rebalance) AS r;

-- name: orders
-- Block orders.
SELECT count(*) FROM orders.block_order;

-- name: trades
-- Executions.
SELECT coalesce(sum(next_seq - 1), 0) FROM trades.market_order;

-- name: allocations
-- Executions that have had their effect, parts that are due, and those that are filled.
SELECT coalesce(sum(applied_seq), 0), (SELECT count(*) FROM allocations.part_due),
       (SELECT count(filled_at) FROM allocations.part_due)
FROM allocations.block_order;

-- name: filled
-- How far each block order's executions have become fills, and what time it is.
SELECT block_order_id, max(to_seq), clock_timestamp()
FROM (SELECT block_order_id, snapshot_no FROM allocations.part_due
      GROUP BY block_order_id, snapshot_no HAVING bool_and(filled_at IS NOT NULL)) AS filled
JOIN allocations.snapshot USING (block_order_id, snapshot_no)
WHERE kind = 'FILL'
GROUP BY block_order_id;

-- name: executed
-- Every execution, and when the market made it.
SELECT block_order_id, seq, executed_at FROM trades.execution WHERE kind IN ('FILL', 'CORRECT')
ORDER BY block_order_id, seq;

-- name: waiting
-- Sessions of this database that wait for a lock.
SELECT count(DISTINCT pid) FROM pg_locks JOIN pg_stat_activity USING (pid)
WHERE NOT granted AND pg_stat_activity.datname = current_database();

-- name: deadlocks
-- Of this database, ever.
SELECT coalesce(deadlocks, 0) FROM pg_stat_database WHERE datname = current_database();

-- name: fills
-- Fills that accounts have got.
SELECT count(*) FROM allocations.fill;
