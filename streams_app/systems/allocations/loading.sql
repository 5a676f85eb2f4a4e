-- name: anything
-- Whether a domain holds data.
SELECT EXISTS (SELECT 1 FROM reference.security);

-- name: copy_securities
COPY reference.security (security_id, symbol, name, sector, lot_size) FROM STDIN;

-- name: copy_prices
COPY market.daily_price (trading_day, security_id, open_price, high_price, low_price, close_price, volume) FROM STDIN;

-- name: copy_models
COPY holdings.model (model_id, name) FROM STDIN;

-- name: copy_targets
COPY holdings.model_target (model_id, security_id, weight) FROM STDIN;

-- name: copy_accounts
COPY holdings.account (bucket, account_id, segment, risk, model_id, cash, opening_cash) FROM STDIN;

-- name: copy_positions
COPY holdings.position (bucket, account_id, security_id, quantity, opening) FROM STDIN;

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
