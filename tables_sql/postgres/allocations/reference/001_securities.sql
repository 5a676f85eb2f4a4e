-- What can be traded.
CREATE SCHEMA reference;

CREATE TABLE reference.security (
    security_id int4 PRIMARY KEY,
    symbol      text NOT NULL UNIQUE CHECK (length(symbol) BETWEEN 1 AND 20),
    name        text NOT NULL,
    sector      text NOT NULL,
    currency    text NOT NULL DEFAULT 'USD',
    lot_size    int4 NOT NULL DEFAULT 1 CHECK (lot_size > 0)
);
