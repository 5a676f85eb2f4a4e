-- Orders of two days, one in fifty of them not executed yet, each with its event.
SET synchronous_commit = off;

INSERT INTO app.orders (region, id, client_order_id, decision_id, symbol, side, qty, price, confidence, status,
                        executed_event_id, exchange_order_id, filled_qty, filled_price, created_at, updated_at)
SELECT 'us-east', md5('o' || n)::uuid, 'ord-' || md5('c' || n), md5('d' || n)::uuid,
       (ARRAY['NQ', 'CL', 'SI'])[n % 3 + 1], (ARRAY['BUY', 'SELL'])[n % 2 + 1], n % 10 + 1, 100 + n % 50, 0.7,
       CASE WHEN n % 50 = 0 THEN 'NEW' ELSE 'FILLED' END, CASE WHEN n % 50 > 0 THEN md5('e' || n)::uuid END,
       CASE WHEN n % 50 > 0 THEN 'x' || n END, CASE WHEN n % 50 > 0 THEN n % 10 + 1 END,
       CASE WHEN n % 50 > 0 THEN 100 END, now() - n * interval '1 second', now()
  FROM generate_series(1, 60000) AS n;

INSERT INTO app.outbox (region, event_id, aggregate_type, aggregate_id, type, payload, occurred_at)
SELECT region, md5('e' || client_order_id)::uuid, 'order', id, 'OrderCreated',
       jsonb_build_object('order_id', id, 'symbol', symbol, 'qty', qty), created_at
  FROM app.orders;
