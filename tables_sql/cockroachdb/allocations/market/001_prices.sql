-- A time series of daily prices. Append-only: a price that was published stays.
-- Checked: the grammar, by CockroachDB's own parser (25.2). Not checked: types, names and behaviour on a server.
CREATE SCHEMA market;

CREATE TABLE market.daily_price (
    trading_day DATE NOT NULL,
    security_id INT4 NOT NULL,
    open_price  DECIMAL(18, 4) NOT NULL CHECK (open_price > 0),
    high_price  DECIMAL(18, 4) NOT NULL CHECK (high_price >= open_price AND high_price >= close_price),
    low_price   DECIMAL(18, 4) NOT NULL CHECK (low_price > 0 AND low_price <= open_price AND low_price <= close_price),
    close_price DECIMAL(18, 4) NOT NULL CHECK (close_price > 0),
    volume      INT8 NOT NULL CHECK (volume >= 0),
    PRIMARY KEY (trading_day, security_id)
);

-- The series of one security.
CREATE INDEX daily_price_security ON market.daily_price (security_id, trading_day);
