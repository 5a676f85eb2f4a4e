-- name: events
-- The events of a stretch of time.
SELECT event_id::text FROM app.outbox
 WHERE region = %(region)s AND occurred_at >= %(since)s AND occurred_at < %(until)s;

-- name: newest_events
SELECT occurred_at, event_id::text, aggregate_type, aggregate_id::text, type, payload
  FROM app.outbox
 WHERE region = %(region)s
 ORDER BY occurred_at DESC, event_id
 LIMIT %(limit)s;

-- name: newest_orders
SELECT created_at, client_order_id, symbol, side, qty, price, confidence, status, filled_qty, filled_price,
       reject_reason
  FROM app.orders
 WHERE region = %(region)s
 ORDER BY created_at DESC, id
 LIMIT %(limit)s;

-- name: orders_by_status
SELECT status, count(*) FROM app.orders WHERE region = %(region)s GROUP BY status;
