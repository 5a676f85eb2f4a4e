-- name: anything
-- Whether a domain holds data.
SELECT EXISTS (SELECT 1 FROM reference.security);

-- name: add_securities
INSERT INTO reference.security (security_id, symbol, name, sector, lot_size)
SELECT id, symbol, name, sector, lot_size
  FROM unnest(%(ids)s::int4[], %(symbols)s::text[], %(names)s::text[], %(sectors)s::text[], %(lots)s::int4[])
       AS k (id, symbol, name, sector, lot_size);

-- name: add_prices
-- Of one day, in cents.
INSERT INTO market.daily_price (trading_day, security_id, open_price, high_price, low_price, close_price, volume)
SELECT %(day)s, id, open / 100.0, high / 100.0, low / 100.0, close / 100.0, volume
  FROM unnest(%(ids)s::int4[], %(opens)s::int8[], %(highs)s::int8[], %(lows)s::int8[], %(closes)s::int8[],
              %(volumes)s::int8[]) AS k (id, open, high, low, close, volume);

-- name: add_models
INSERT INTO holdings.model (model_id, name)
SELECT id, name FROM unnest(%(ids)s::int4[], %(names)s::text[]) AS k (id, name);

-- name: add_targets
INSERT INTO holdings.model_target (model_id, security_id, weight)
SELECT model, security, millionths / 1000000.0
  FROM unnest(%(models)s::int4[], %(securities)s::int4[], %(weights)s::int4[]) AS k (model, security, millionths);

-- name: add_accounts
INSERT INTO holdings.account (bucket, account_id, segment, risk, model_id, cash, opening_cash)
SELECT bucket, id, segment, risk, model, cents / 100.0, cents / 100.0
  FROM unnest(%(buckets)s::int2[], %(ids)s::int8[], %(segments)s::text[], %(risks)s::int2[], %(models)s::int4[],
              %(cash)s::int8[]) AS k (bucket, id, segment, risk, model, cents);

-- name: add_positions
INSERT INTO holdings.position (bucket, account_id, security_id, quantity, opening)
SELECT bucket, account, security, quantity, quantity
  FROM unnest(%(buckets)s::int2[], %(accounts)s::int8[], %(securities)s::int4[], %(quantities)s::int8[])
       AS k (bucket, account, security, quantity);

-- name: lock_timeout
-- Who works there meanwhile holds its locks only for moments.
SET lock_timeout = '10s';

-- name: reset_reference
TRUNCATE reference.security;

-- name: reset_market
TRUNCATE market.daily_price;

-- name: reset_holdings
-- Groups stay: people made them.
TRUNCATE holdings.model, holdings.model_target, holdings.account, holdings.position, holdings.rebalance, holdings.slice,
    holdings.customer_order, holdings.booked_part, holdings.settlement, holdings.closing, holdings.booking_break;

-- name: reset_orders
TRUNCATE orders.rebalance, orders.routed_slice, orders.routed_quantity, orders.block_order;

-- name: reset_trades
TRUNCATE trades.market_order, trades.execution;

-- name: reset_allocations
TRUNCATE allocations.block_order, allocations.execution, allocations.snapshot, allocations.part, allocations.part_due,
    allocations.allocation, allocations.fill;

-- name: reset_production_keys
TRUNCATE event_production_key;

-- name: reset_production_log
TRUNCATE event_production_log;

-- name: reset_consumption_keys
TRUNCATE event_consumption_key;

-- name: reset_consumption_log
TRUNCATE event_consumption_log;

-- name: reset_fences
TRUNCATE delivery_fence;
