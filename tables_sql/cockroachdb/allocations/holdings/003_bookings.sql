-- Checked: the grammar, by CockroachDB's own parser (25.2). Not checked: types, names and behaviour on a server.

-- Every part of a snapshot that was booked. Append-only.
CREATE TABLE holdings.booked_part (
    block_order_id UUID NOT NULL,
    part_no        INT4 NOT NULL,
    snapshot_no    INT4 NOT NULL,
    rebalance_id   UUID NOT NULL,
    -- Shares, negative when executions were taken back; money in the same way.
    quantity       INT8 NOT NULL,
    amount         DECIMAL(24, 4) NOT NULL,
    booked_at      TIMESTAMPTZ NOT NULL DEFAULT now(),
    PRIMARY KEY (block_order_id, part_no, snapshot_no)
);

-- One for each customer order that has fills: what is to change hands, and when.
CREATE TABLE holdings.settlement (
    block_order_id UUID NOT NULL,
    bucket         INT2 NOT NULL,
    account_id     INT8 NOT NULL,
    security_id    INT4 NOT NULL,
    side           STRING NOT NULL CHECK (side IN ('BUY', 'SELL')),
    -- Of a reversal that comes before what it reverses, negative for as long.
    quantity       INT8 NOT NULL,
    amount         DECIMAL(20, 4) NOT NULL,
    trade_date     DATE NOT NULL,
    settle_date    DATE NOT NULL CHECK (settle_date >= trade_date),
    updated_at     TIMESTAMPTZ NOT NULL DEFAULT now(),
    PRIMARY KEY (block_order_id, bucket, account_id)
);

-- What the market says in the end of each block order: bookings must come to the same.
CREATE TABLE holdings.closing (
    block_order_id UUID PRIMARY KEY,
    rebalance_id   UUID NOT NULL,
    executed       INT8 NOT NULL CHECK (executed >= 0),
    amount         DECIMAL(24, 4) NOT NULL,
    -- The sequence number it was true at: an older one never replaces a newer one.
    version        INT4 NOT NULL,
    closed_at      TIMESTAMPTZ NOT NULL DEFAULT now()
);

CREATE INDEX closing_rebalance ON holdings.closing (rebalance_id);

-- What was closed lately is looked at again.
CREATE INDEX closing_closed ON holdings.closing (closed_at);

-- What does not match, for somebody to look at.
CREATE TABLE holdings.booking_break (
    kind        STRING NOT NULL CHECK (length(kind) BETWEEN 1 AND 60),
    subject     STRING NOT NULL CHECK (length(subject) BETWEEN 1 AND 200),
    detail      STRING NOT NULL,
    found_at    TIMESTAMPTZ NOT NULL DEFAULT now(),
    resolved_at TIMESTAMPTZ,
    PRIMARY KEY (kind, subject)
);
