-- What can be traded.
-- Checked: the grammar, by CockroachDB's own parser (25.2). Not checked: types, names and behaviour on a server.
CREATE SCHEMA reference;

CREATE TABLE reference.security (
    security_id INT4 PRIMARY KEY,
    symbol      STRING NOT NULL UNIQUE CHECK (length(symbol) BETWEEN 1 AND 20),
    name        STRING NOT NULL,
    sector      STRING NOT NULL,
    currency    STRING NOT NULL DEFAULT 'USD',
    lot_size    INT4 NOT NULL DEFAULT 1 CHECK (lot_size > 0)
);
