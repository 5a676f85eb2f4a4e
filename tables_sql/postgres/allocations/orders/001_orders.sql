-- Block orders: what all accounts of a rebalance want of a security together.
CREATE SCHEMA orders;

CREATE TABLE orders.rebalance (
    rebalance_id uuid PRIMARY KEY,
    trading_day  date NOT NULL,
    slices       int4 NOT NULL CHECK (slices > 0),
    -- COLLECTING: not all slices are there.
    status       text NOT NULL DEFAULT 'COLLECTING' CHECK (status IN ('COLLECTING', 'PLACED', 'CANCELLED', 'CLOSED')),
    blocks       int4,
    created_at   timestamptz NOT NULL DEFAULT now(),
    updated_at   timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE orders.routed_slice (
    rebalance_id uuid NOT NULL,
    slice_no     int4 NOT NULL,
    received_at  timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (rebalance_id, slice_no)
);

CREATE TABLE orders.routed_quantity (
    rebalance_id uuid NOT NULL,
    security_id  int4 NOT NULL,
    side         text NOT NULL CHECK (side IN ('BUY', 'SELL')),
    slice_no     int4 NOT NULL,
    quantity     int8 NOT NULL CHECK (quantity > 0),
    accounts     int4 NOT NULL CHECK (accounts > 0),
    PRIMARY KEY (rebalance_id, security_id, side, slice_no)
);

CREATE TABLE orders.block_order (
    block_order_id uuid PRIMARY KEY,
    rebalance_id   uuid NOT NULL,
    security_id    int4 NOT NULL,
    side           text NOT NULL CHECK (side IN ('BUY', 'SELL')),
    quantity       int8 NOT NULL CHECK (quantity > 0),
    accounts       int4 NOT NULL CHECK (accounts > 0),
    trading_day    date NOT NULL,
    -- SENT: the market may have it.
    status         text NOT NULL DEFAULT 'NEW' CHECK (status IN ('NEW', 'SENT', 'FILLED', 'PARTIAL', 'CANCELLED')),
    is_cancelled   bool NOT NULL DEFAULT false,
    executed       int8 NOT NULL DEFAULT 0 CHECK (executed BETWEEN 0 AND quantity),
    amount         numeric(24, 4) NOT NULL DEFAULT 0,
    -- Of the executions that `executed` is true at.
    version        int4 NOT NULL DEFAULT 0,
    created_at     timestamptz NOT NULL DEFAULT now(),
    updated_at     timestamptz NOT NULL DEFAULT now(),
    UNIQUE (rebalance_id, security_id, side)
) WITH (fillfactor = 80);
