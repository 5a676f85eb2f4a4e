-- name: lots
SELECT security_id, lot_size FROM reference.security;

-- name: symbols
SELECT symbol, security_id FROM reference.security WHERE symbol = ANY(%(symbols)s::text[]);

-- name: prices
SELECT security_id, open_price, high_price, low_price FROM market.daily_price WHERE trading_day = %(day)s;

-- name: latest_day
SELECT max(trading_day) FROM market.daily_price;
