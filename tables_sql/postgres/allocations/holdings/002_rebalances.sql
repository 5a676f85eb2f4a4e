CREATE TABLE holdings.rebalance (
    rebalance_id uuid PRIMARY KEY,
    group_name   text NOT NULL,
    -- The group's criteria as they were.
    criteria     jsonb NOT NULL,
    trading_day  date NOT NULL,
    status       text NOT NULL DEFAULT 'RUNNING' CHECK (status IN ('RUNNING', 'CANCELLING', 'COMPLETE', 'CANCELLED')),
    slices       int4 NOT NULL CHECK (slices > 0),
    accounts     int4 NOT NULL CHECK (accounts >= 0),
    -- Known when the first block order of it is closed.
    blocks       int4,
    created_at   timestamptz NOT NULL DEFAULT now(),
    ended_at     timestamptz,
    CHECK ((status IN ('COMPLETE', 'CANCELLED')) = (ended_at IS NOT NULL))
);

CREATE INDEX rebalance_open ON holdings.rebalance (created_at) WHERE ended_at IS NULL;

-- A range of accounts of one bucket, routed in one transaction.
CREATE TABLE holdings.slice (
    rebalance_id  uuid NOT NULL REFERENCES holdings.rebalance (rebalance_id),
    slice_no      int4 NOT NULL CHECK (slice_no >= 0),
    bucket        int2 NOT NULL,
    first_account int8 NOT NULL,
    last_account  int8 NOT NULL CHECK (last_account >= first_account),
    orders        int4,
    routed_at     timestamptz,
    PRIMARY KEY (rebalance_id, slice_no)
);

-- What each account wants of a block order. Append-only. In the order in which allocations reads it.
CREATE TABLE holdings.customer_order (
    block_order_id uuid NOT NULL,
    bucket         int2 NOT NULL,
    account_id     int8 NOT NULL,
    rebalance_id   uuid NOT NULL,
    security_id    int4 NOT NULL,
    side           text NOT NULL CHECK (side IN ('BUY', 'SELL')),
    quantity       int8 NOT NULL CHECK (quantity > 0),
    PRIMARY KEY (block_order_id, bucket, account_id)
);
