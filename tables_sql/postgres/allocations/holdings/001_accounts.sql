-- Accounts and what they hold. A bucket is a share of the accounts: bookings of one bucket follow each other.
CREATE SCHEMA holdings;

CREATE TABLE holdings.model (
    model_id int4 PRIMARY KEY,
    name     text NOT NULL UNIQUE
);

-- How much of an account of this model each security should be.
CREATE TABLE holdings.model_target (
    model_id    int4 NOT NULL REFERENCES holdings.model (model_id),
    security_id int4 NOT NULL,
    weight      numeric(9, 6) NOT NULL CHECK (weight > 0 AND weight <= 1),
    PRIMARY KEY (model_id, security_id)
);

CREATE TABLE holdings.account (
    bucket       int2 NOT NULL CHECK (bucket >= 0),
    account_id   int8 NOT NULL,
    segment      text NOT NULL CHECK (length(segment) BETWEEN 1 AND 40),
    risk         int2 NOT NULL CHECK (risk BETWEEN 1 AND 5),
    model_id     int4 NOT NULL REFERENCES holdings.model (model_id),
    -- Negative for as long as buys are booked before the sells that pay for them.
    cash         numeric(20, 4) NOT NULL,
    -- As it was before the first booking: what verify starts from.
    opening_cash numeric(20, 4) NOT NULL,
    updated_at   timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (bucket, account_id)
) WITH (fillfactor = 80);

CREATE TABLE holdings.position (
    bucket      int2 NOT NULL,
    account_id  int8 NOT NULL,
    security_id int4 NOT NULL,
    quantity    int8 NOT NULL,
    opening     int8 NOT NULL DEFAULT 0,
    PRIMARY KEY (bucket, account_id, security_id)
) WITH (fillfactor = 80);

-- Which accounts a rebalance takes: criteria as criteria.Criteria reads them.
CREATE TABLE holdings.eligibility_group (
    name       text PRIMARY KEY CHECK (length(name) BETWEEN 1 AND 60),
    criteria   jsonb NOT NULL,
    updated_at timestamptz NOT NULL DEFAULT now()
);
