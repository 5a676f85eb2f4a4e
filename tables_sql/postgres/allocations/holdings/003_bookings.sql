-- Every part of a snapshot that was booked. Append-only.
CREATE TABLE holdings.booked_part (
    block_order_id uuid NOT NULL,
    part_no        int4 NOT NULL,
    snapshot_no    int4 NOT NULL,
    rebalance_id   uuid NOT NULL,
    -- Shares, negative when executions were taken back; money in the same way.
    quantity       int8 NOT NULL,
    amount         numeric(24, 4) NOT NULL,
    booked_at      timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (block_order_id, part_no, snapshot_no)
);

-- One for each customer order that has fills: what is to change hands, and when.
CREATE TABLE holdings.settlement (
    block_order_id uuid NOT NULL,
    bucket         int2 NOT NULL,
    account_id     int8 NOT NULL,
    security_id    int4 NOT NULL,
    side           text NOT NULL CHECK (side IN ('BUY', 'SELL')),
    -- Of a reversal that comes before what it reverses, negative for as long.
    quantity       int8 NOT NULL,
    amount         numeric(20, 4) NOT NULL,
    trade_date     date NOT NULL,
    settle_date    date NOT NULL CHECK (settle_date >= trade_date),
    updated_at     timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (block_order_id, bucket, account_id)
) WITH (fillfactor = 80);

-- What the market says in the end of each block order: bookings must come to the same.
CREATE TABLE holdings.closing (
    block_order_id uuid PRIMARY KEY,
    rebalance_id   uuid NOT NULL,
    executed       int8 NOT NULL CHECK (executed >= 0),
    amount         numeric(24, 4) NOT NULL,
    -- The sequence number it was true at: an older one never replaces a newer one.
    version        int4 NOT NULL,
    closed_at      timestamptz NOT NULL DEFAULT now()
);

CREATE INDEX closing_rebalance ON holdings.closing (rebalance_id);

-- What was closed lately is looked at again.
CREATE INDEX closing_closed ON holdings.closing (closed_at);

-- What does not match, for somebody to look at.
CREATE TABLE holdings.booking_break (
    kind        text NOT NULL CHECK (length(kind) BETWEEN 1 AND 60),
    subject     text NOT NULL CHECK (length(subject) BETWEEN 1 AND 200),
    detail      text NOT NULL,
    found_at    timestamptz NOT NULL DEFAULT now(),
    resolved_at timestamptz,
    PRIMARY KEY (kind, subject)
);
