-- name: add
-- New orders and their events, in one statement; an order that is there already is left alone, and has its event.
WITH wanted AS (
    SELECT *
      FROM unnest(%(ids)s::uuid[], %(client_order_ids)s::text[], %(decision_ids)s::uuid[], %(event_ids)s::uuid[],
                  %(symbols)s::text[], %(sides)s::text[], %(quantities)s::int4[], %(prices)s::numeric[],
                  %(confidences)s::numeric[], %(payloads)s::text[])
           AS k (id, client_order_id, decision_id, event_id, symbol, side, qty, price, confidence, payload)
), made AS (
    INSERT INTO app.orders (region, id, client_order_id, decision_id, symbol, side, qty, price, confidence)
    SELECT %(region)s, id, client_order_id, decision_id, symbol, side, qty, price, confidence FROM wanted
        ON CONFLICT (region, client_order_id) DO NOTHING
    RETURNING id
)
INSERT INTO app.outbox (region, event_id, aggregate_type, aggregate_id, type, payload)
SELECT %(region)s, w.event_id, 'order', w.id, %(type)s, w.payload::jsonb
  FROM wanted w
  JOIN made m ON m.id = w.id
RETURNING aggregate_id::text;

-- name: known
-- Orders as they are, held until the transaction ends: somebody else may be about to send them.
SELECT id, client_order_id, symbol, side, qty, price, status, executed_event_id
  FROM app.orders
 WHERE region = %(region)s AND id = ANY(%(ids)s::uuid[])
   FOR UPDATE;

-- name: sent
-- The exchange may have them from now on: whoever comes next asks before sending.
UPDATE app.orders o
   SET status = 'SENT', executed_event_id = k.event_id, updated_at = now()
  FROM unnest(%(ids)s::uuid[], %(event_ids)s::uuid[]) AS k (id, event_id)
 WHERE o.region = %(region)s AND o.id = k.id AND o.status = 'NEW';

-- name: finish
-- What the exchange made of orders; what is final already stays as it is.
UPDATE app.orders o
   SET status = k.status, exchange_order_id = k.exchange_order_id, filled_qty = k.qty, filled_price = k.price,
       reject_reason = k.reason, updated_at = now()
  FROM unnest(%(ids)s::uuid[], %(statuses)s::text[], %(exchange_order_ids)s::text[], %(quantities)s::int4[],
              %(prices)s::numeric[], %(reasons)s::text[]) AS k (id, status, exchange_order_id, qty, price, reason)
 WHERE o.region = %(region)s AND o.id = k.id AND o.status = 'SENT'
RETURNING o.id;
