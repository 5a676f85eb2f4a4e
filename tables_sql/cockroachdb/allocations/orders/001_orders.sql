-- Block orders: what all accounts of a rebalance want of a security together.
-- Checked: the grammar, by CockroachDB's own parser (25.2). Not checked: types, names and behaviour on a server.
CREATE SCHEMA orders;

CREATE TABLE orders.rebalance (
    rebalance_id UUID PRIMARY KEY,
    trading_day  DATE NOT NULL,
    slices       INT4 NOT NULL CHECK (slices > 0),
    -- COLLECTING: not all slices are there.
    status       STRING NOT NULL DEFAULT 'COLLECTING' CHECK (status IN ('COLLECTING', 'PLACED', 'CANCELLED', 'CLOSED')),
    blocks       INT4,
    created_at   TIMESTAMPTZ NOT NULL DEFAULT now(),
    updated_at   TIMESTAMPTZ NOT NULL DEFAULT now()
);

CREATE TABLE orders.routed_slice (
    rebalance_id UUID NOT NULL,
    slice_no     INT4 NOT NULL,
    received_at  TIMESTAMPTZ NOT NULL DEFAULT now(),
    PRIMARY KEY (rebalance_id, slice_no)
);

CREATE TABLE orders.routed_quantity (
    rebalance_id UUID NOT NULL,
    security_id  INT4 NOT NULL,
    side         STRING NOT NULL CHECK (side IN ('BUY', 'SELL')),
    slice_no     INT4 NOT NULL,
    quantity     INT8 NOT NULL CHECK (quantity > 0),
    accounts     INT4 NOT NULL CHECK (accounts > 0),
    PRIMARY KEY (rebalance_id, security_id, side, slice_no)
);

CREATE TABLE orders.block_order (
    block_order_id UUID PRIMARY KEY,
    rebalance_id   UUID NOT NULL,
    security_id    INT4 NOT NULL,
    side           STRING NOT NULL CHECK (side IN ('BUY', 'SELL')),
    quantity       INT8 NOT NULL CHECK (quantity > 0),
    accounts       INT4 NOT NULL CHECK (accounts > 0),
    trading_day    DATE NOT NULL,
    -- SENT: the market may have it.
    status         STRING NOT NULL DEFAULT 'NEW' CHECK (status IN ('NEW', 'SENT', 'FILLED', 'PARTIAL', 'CANCELLED')),
    is_cancelled   BOOL NOT NULL DEFAULT false,
    executed       INT8 NOT NULL DEFAULT 0 CHECK (executed BETWEEN 0 AND quantity),
    amount         DECIMAL(24, 4) NOT NULL DEFAULT 0,
    -- Of the executions that `executed` is true at.
    version        INT4 NOT NULL DEFAULT 0,
    created_at     TIMESTAMPTZ NOT NULL DEFAULT now(),
    updated_at     TIMESTAMPTZ NOT NULL DEFAULT now(),
    UNIQUE (rebalance_id, security_id, side)
);
