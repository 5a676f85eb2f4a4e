-- Accounts and what they hold. A bucket is a share of the accounts: bookings of one bucket follow each other.
-- Checked: the grammar, by CockroachDB's own parser (25.2). Not checked: types, names and behaviour on a server.
CREATE SCHEMA holdings;

CREATE TABLE holdings.model (
    model_id INT4 PRIMARY KEY,
    name     STRING NOT NULL UNIQUE
);

-- How much of an account of this model each security should be.
CREATE TABLE holdings.model_target (
    model_id    INT4 NOT NULL REFERENCES holdings.model (model_id),
    security_id INT4 NOT NULL,
    weight      DECIMAL(9, 6) NOT NULL CHECK (weight > 0 AND weight <= 1),
    PRIMARY KEY (model_id, security_id)
);

CREATE TABLE holdings.account (
    bucket       INT2 NOT NULL CHECK (bucket >= 0),
    account_id   INT8 NOT NULL,
    segment      STRING NOT NULL CHECK (length(segment) BETWEEN 1 AND 40),
    risk         INT2 NOT NULL CHECK (risk BETWEEN 1 AND 5),
    model_id     INT4 NOT NULL REFERENCES holdings.model (model_id),
    -- Negative for as long as buys are booked before the sells that pay for them.
    cash         DECIMAL(20, 4) NOT NULL,
    -- As it was before the first booking: what verify starts from.
    opening_cash DECIMAL(20, 4) NOT NULL,
    updated_at   TIMESTAMPTZ NOT NULL DEFAULT now(),
    PRIMARY KEY (bucket, account_id)
);

CREATE TABLE holdings.position (
    bucket      INT2 NOT NULL,
    account_id  INT8 NOT NULL,
    security_id INT4 NOT NULL,
    quantity    INT8 NOT NULL,
    opening     INT8 NOT NULL DEFAULT 0,
    PRIMARY KEY (bucket, account_id, security_id)
);

-- Which accounts a rebalance takes: criteria as rules.Criteria reads them.
CREATE TABLE holdings.eligibility_group (
    name       STRING PRIMARY KEY CHECK (length(name) BETWEEN 1 AND 60),
    criteria   JSONB NOT NULL,
    updated_at TIMESTAMPTZ NOT NULL DEFAULT now()
);
