-- name: orders
-- Every order of the region.
SELECT id::text, client_order_id, decision_id::text, symbol, side, qty, price, confidence, status, exchange_order_id,
       filled_qty, filled_price, created_at
  FROM app.orders
 WHERE region = %(region)s;

-- name: orders_have_events
-- Orders without their event, since the first day that no prune has taken.
SELECT o.client_order_id
  FROM app.orders o
  LEFT JOIN app.outbox e ON e.region = %(region)s AND e.aggregate_id = o.id AND e.type = %(type)s
 WHERE o.region = %(region)s AND e.event_id IS NULL
   AND o.created_at >= %(since)s;

-- name: events_have_orders
SELECT e.event_id::text
  FROM app.outbox e
  LEFT JOIN app.orders o ON o.region = %(region)s AND o.id = e.aggregate_id
 WHERE e.region = %(region)s AND o.id IS NULL;

-- name: events_are_written_once
SELECT event_id::text FROM app.outbox WHERE region = %(region)s GROUP BY event_id HAVING count(*) > 1;

-- name: orders_are_executed
-- Orders that the exchange has not answered for.
SELECT client_order_id || ' is ' || status
  FROM app.orders
 WHERE region = %(region)s AND status IN ('NEW', 'SENT') AND created_at < %(until)s;

-- name: events
SELECT event_id::text, aggregate_id::text, occurred_at FROM app.outbox WHERE region = %(region)s;
