-- Checked: the grammar, by CockroachDB's own parser (25.2). Not checked: types, names and behaviour on a server.
CREATE TABLE holdings.rebalance (
    rebalance_id UUID PRIMARY KEY,
    group_name   STRING NOT NULL,
    -- The group's criteria as they were.
    criteria     JSONB NOT NULL,
    trading_day  DATE NOT NULL,
    status       STRING NOT NULL DEFAULT 'RUNNING' CHECK (status IN ('RUNNING', 'CANCELLING', 'COMPLETE', 'CANCELLED')),
    slices       INT4 NOT NULL CHECK (slices > 0),
    accounts     INT4 NOT NULL CHECK (accounts >= 0),
    -- Known when the first block order of it is closed.
    blocks       INT4,
    created_at   TIMESTAMPTZ NOT NULL DEFAULT now(),
    ended_at     TIMESTAMPTZ,
    CHECK ((status IN ('COMPLETE', 'CANCELLED')) = (ended_at IS NOT NULL))
);

CREATE INDEX rebalance_open ON holdings.rebalance (created_at) WHERE ended_at IS NULL;

-- A range of accounts of one bucket, routed in one transaction.
CREATE TABLE holdings.slice (
    rebalance_id  UUID NOT NULL REFERENCES holdings.rebalance (rebalance_id),
    slice_no      INT4 NOT NULL CHECK (slice_no >= 0),
    bucket        INT2 NOT NULL,
    first_account INT8 NOT NULL,
    last_account  INT8 NOT NULL CHECK (last_account >= first_account),
    orders        INT4,
    routed_at     TIMESTAMPTZ,
    PRIMARY KEY (rebalance_id, slice_no)
);

-- What each account wants of a block order. Append-only. In the order in which allocations reads it.
CREATE TABLE holdings.customer_order (
    block_order_id UUID NOT NULL,
    bucket         INT2 NOT NULL,
    account_id     INT8 NOT NULL,
    rebalance_id   UUID NOT NULL,
    security_id    INT4 NOT NULL,
    side           STRING NOT NULL CHECK (side IN ('BUY', 'SELL')),
    quantity       INT8 NOT NULL CHECK (quantity > 0),
    PRIMARY KEY (block_order_id, bucket, account_id)
);
