-- The checks answer one column, `offender`: one row for each violation. All statements share one set of arguments
-- (verify.py); each is asked in one domain alone.

-- name: snapshots_add_up
SELECT 'block order ' || b.block_order_id || ' has allotted ' || b.allotted || ' for ' || b.allotted_amount AS offender
  FROM allocations.block_order b
  LEFT JOIN (SELECT block_order_id, sum(quantity) AS quantity, sum(amount) AS amount, count(*) AS snapshots
               FROM allocations.snapshot GROUP BY block_order_id) s ON s.block_order_id = b.block_order_id
 WHERE b.allotted <> coalesce(s.quantity, 0) OR b.allotted_amount <> coalesce(s.amount, 0)
    OR b.snapshots <> coalesce(s.snapshots, 0);

-- name: done_is_allotted
SELECT 'block order ' || block_order_id || ' has executed ' || executed || ' and allotted ' || allotted AS offender
  FROM allocations.block_order
 WHERE is_done AND (allotted <> executed OR allotted_amount <> amount);

-- name: parts_add_up
SELECT 'block order ' || b.block_order_id || ' has ' || p.parts || ' parts' AS offender
  FROM allocations.block_order b
  LEFT JOIN (SELECT block_order_id, count(*) AS parts, sum(ordered) AS ordered, sum(allotted) AS allotted
               FROM allocations.part GROUP BY block_order_id) p ON p.block_order_id = b.block_order_id
 WHERE p.parts IS NULL OR b.parts <> p.parts OR b.ordered <> p.ordered OR b.allotted <> p.allotted
 UNION ALL
SELECT 'snapshot ' || s.block_order_id || '/' || s.snapshot_no
  FROM allocations.snapshot s
  LEFT JOIN (SELECT block_order_id, snapshot_no, sum(quantity) AS quantity, sum(amount) AS amount
               FROM allocations.part_due GROUP BY block_order_id, snapshot_no) d
    ON d.block_order_id = s.block_order_id AND d.snapshot_no = s.snapshot_no
 WHERE d.quantity IS NULL OR s.quantity <> d.quantity OR s.amount <> d.amount
 UNION ALL
SELECT 'part ' || p.block_order_id || '/' || p.part_no || ' has allotted ' || p.allotted
  FROM allocations.part p
  LEFT JOIN (SELECT block_order_id, part_no, sum(quantity) AS quantity
               FROM allocations.part_due GROUP BY block_order_id, part_no) d
    ON d.block_order_id = p.block_order_id AND d.part_no = p.part_no
 WHERE p.allotted <> coalesce(d.quantity, 0);

-- name: parts_are_filled
SELECT 'part ' || d.block_order_id || '/' || d.part_no || ', snapshot ' || d.snapshot_no AS offender
  FROM allocations.part_due d
  JOIN allocations.snapshot s ON s.block_order_id = d.block_order_id AND s.snapshot_no = d.snapshot_no
 WHERE d.filled_at IS NULL AND s.taken_at < %(until)s;

-- name: fills_are_due
SELECT 'part ' || coalesce(d.block_order_id, f.block_order_id) || '/' || coalesce(d.part_no, f.part_no)
       || ', snapshot ' || coalesce(d.snapshot_no, f.snapshot_no) AS offender
  FROM (SELECT block_order_id, part_no, snapshot_no, sum(quantity) AS quantity, sum(amount) AS amount
          FROM allocations.fill GROUP BY block_order_id, part_no, snapshot_no) f
  FULL JOIN (SELECT block_order_id, part_no, snapshot_no, quantity, amount
               FROM allocations.part_due WHERE filled_at IS NOT NULL) d
    ON d.block_order_id = f.block_order_id AND d.part_no = f.part_no AND d.snapshot_no = f.snapshot_no
 WHERE d.quantity IS NULL OR f.quantity IS NULL OR d.quantity <> f.quantity OR d.amount <> f.amount;

-- name: accounts_are_filled
SELECT 'account ' || coalesce(a.account_id, f.account_id) || ' of part '
       || coalesce(a.block_order_id, f.block_order_id) || '/' || coalesce(a.part_no, f.part_no) AS offender
  FROM allocations.allocation a
  FULL JOIN (SELECT block_order_id, part_no, account_id, sum(quantity) AS quantity, sum(amount) AS amount
               FROM allocations.fill GROUP BY block_order_id, part_no, account_id) f
    ON f.block_order_id = a.block_order_id AND f.part_no = a.part_no AND f.account_id = a.account_id
 WHERE a.ordered IS NULL OR a.filled <> coalesce(f.quantity, 0) OR a.amount <> coalesce(f.amount, 0)
    OR a.filled NOT BETWEEN 0 AND a.ordered
 UNION ALL
SELECT 'part ' || p.block_order_id || '/' || p.part_no || ' has ordered ' || p.ordered
  FROM allocations.part p
  LEFT JOIN (SELECT block_order_id, part_no, sum(ordered) AS ordered
               FROM allocations.allocation GROUP BY block_order_id, part_no) a
    ON a.block_order_id = p.block_order_id AND a.part_no = p.part_no
 WHERE a.ordered IS NULL OR p.ordered <> a.ordered;

-- name: settlements_are_bookings
SELECT 'block order ' || coalesce(s.block_order_id, b.block_order_id) AS offender
  FROM (SELECT block_order_id, sum(quantity) AS quantity, sum(amount) AS amount
          FROM holdings.settlement GROUP BY block_order_id) s
  FULL JOIN (SELECT block_order_id, sum(quantity) AS quantity, sum(amount) AS amount
               FROM holdings.booked_part GROUP BY block_order_id) b ON b.block_order_id = s.block_order_id
 WHERE s.quantity IS NULL OR b.quantity IS NULL OR s.quantity <> b.quantity OR s.amount <> b.amount;

-- name: positions_are_conserved
SELECT 'account ' || coalesce(p.account_id, s.account_id) || ', security ' || coalesce(p.security_id, s.security_id)
       AS offender
  FROM holdings.position p
  FULL JOIN (SELECT bucket, account_id, security_id,
                    sum(CASE side WHEN 'BUY' THEN quantity ELSE -quantity END) AS quantity
               FROM holdings.settlement GROUP BY bucket, account_id, security_id) s
    ON s.bucket = p.bucket AND s.account_id = p.account_id AND s.security_id = p.security_id
 WHERE coalesce(p.quantity, 0) <> coalesce(p.opening, 0) + coalesce(s.quantity, 0);

-- name: cash_is_conserved
SELECT 'account ' || coalesce(a.account_id, s.account_id) || ' has cash ' || a.cash AS offender
  FROM holdings.account a
  FULL JOIN (SELECT bucket, account_id, sum(CASE side WHEN 'BUY' THEN -amount ELSE amount END) AS amount
               FROM holdings.settlement GROUP BY bucket, account_id) s
    ON s.bucket = a.bucket AND s.account_id = a.account_id
 WHERE a.cash IS NULL OR a.cash <> a.opening_cash + coalesce(s.amount, 0);

-- name: rebalances_end
-- Those that have an end to come to, and nothing has been routed, closed or booked of them for too long.
SELECT 'rebalance ' || r.rebalance_id || ' is ' || r.status AS offender
  FROM holdings.rebalance r
  LEFT JOIN (SELECT rebalance_id, max(booked_at) AS at FROM holdings.booked_part GROUP BY rebalance_id) b
    ON b.rebalance_id = r.rebalance_id
 WHERE r.ended_at IS NULL
   AND greatest(r.created_at, b.at,
                (SELECT max(s.routed_at) FROM holdings.slice s WHERE s.rebalance_id = r.rebalance_id),
                (SELECT max(c.closed_at) FROM holdings.closing c WHERE c.rebalance_id = r.rebalance_id)) < %(until)s;

-- name: events_are_relayed
SELECT 'event ' || event_id || ' is ' || status AS offender
  FROM event_production_log
 WHERE region = %(region)s AND status <> 'PUBLISHED' AND created_at < %(until)s;

-- name: market_executions
SELECT block_order_id, seq, execution_id, kind, ref_seq, quantity, price, executed_at
  FROM trades.execution
 ORDER BY block_order_id, seq;

-- name: captured_executions
SELECT block_order_id, seq, execution_id, kind, ref_seq, quantity, price, executed_at
  FROM allocations.execution
 ORDER BY block_order_id, seq;

-- name: block_orders
SELECT block_order_id, rebalance_id, security_id, side, quantity, accounts, status, executed, amount, version,
       updated_at
  FROM orders.block_order;

-- name: placed
SELECT rebalance_id FROM orders.rebalance WHERE status IN ('PLACED', 'CLOSED');

-- name: market_orders
SELECT block_order_id, security_id, side, quantity, status, updated_at FROM trades.market_order;

-- name: allocation_orders
SELECT block_order_id, security_id, side, ordered, executed, amount, applied_seq, is_done, updated_at
  FROM allocations.block_order;

-- name: customer_orders
-- A sum in which each account has another weight tells whether two have changed places.
SELECT block_order_id, rebalance_id, security_id, side, count(*), sum(quantity), sum(account_id::numeric * quantity)
  FROM holdings.customer_order
 GROUP BY block_order_id, rebalance_id, security_id, side;

-- name: allocated
SELECT a.block_order_id, p.bucket, count(*), sum(a.ordered), sum(a.account_id::numeric * a.ordered), sum(a.filled),
       sum(a.amount), sum(a.account_id::numeric * a.filled), sum(a.account_id::numeric * a.amount)
  FROM allocations.allocation a
  JOIN allocations.part p ON p.block_order_id = a.block_order_id AND p.part_no = a.part_no
 GROUP BY a.block_order_id, p.bucket;

-- name: settled
SELECT block_order_id, bucket, sum(quantity), sum(amount), sum(account_id::numeric * quantity),
       sum(account_id::numeric * amount)
  FROM holdings.settlement
 GROUP BY block_order_id, bucket;

-- name: filled
SELECT block_order_id, part_no, snapshot_no, quantity, amount, filled_at
  FROM allocations.part_due
 WHERE filled_at IS NOT NULL;

-- name: booked
SELECT block_order_id, part_no, snapshot_no, quantity, amount FROM holdings.booked_part;

-- name: closings
SELECT block_order_id, executed, amount, version FROM holdings.closing;

-- name: taken
-- The first question of a transaction is what its snapshot is taken for.
SELECT now();

-- name: produced
SELECT topic, event_id, created_at < %(until)s FROM event_production_log WHERE region = %(region)s;

-- name: consumed
SELECT event_id, count(*) FROM event_consumption_key
 WHERE region = %(region)s AND processed_at IS NOT NULL
 GROUP BY event_id;

-- name: rebalances
SELECT status, count(*) FROM holdings.rebalance GROUP BY status;

-- name: count_block_orders
SELECT count(*) FROM orders.block_order;

-- name: count_executions
SELECT count(*) FROM trades.execution;

-- name: count_fills
SELECT count(*) FROM allocations.fill;

-- name: count_bookings
SELECT count(*) FROM holdings.booked_part;
