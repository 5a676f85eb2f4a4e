-- The market's side: what it has to execute, and what it executed.
CREATE SCHEMA trades;

CREATE TABLE trades.market_order (
    block_order_id   uuid PRIMARY KEY,
    -- NULL of a cancel that came before its order.
    security_id      int4,
    side             text CHECK (side IN ('BUY', 'SELL')),
    quantity         int8 CHECK (quantity > 0),
    market_price     numeric(18, 4) CHECK (market_price > 0),
    status           text NOT NULL CHECK (status IN ('WORKING', 'DONE', 'CANCELLED')),
    cancel_requested bool NOT NULL DEFAULT false,
    -- Of the pieces that it is filled in.
    next_piece       int4 NOT NULL DEFAULT 0,
    next_seq         int4 NOT NULL DEFAULT 1,
    received_at      timestamptz NOT NULL DEFAULT now(),
    updated_at       timestamptz NOT NULL DEFAULT now()
) WITH (fillfactor = 80);

-- What the market works on.
CREATE INDEX market_order_working ON trades.market_order (updated_at) WHERE status = 'WORKING';

-- Append-only. A changefeed of it goes to allocations.executions.
CREATE TABLE trades.execution (
    block_order_id uuid NOT NULL,
    seq            int4 NOT NULL CHECK (seq > 0),
    execution_id   uuid NOT NULL,
    kind           text NOT NULL CHECK (kind IN ('FILL', 'BUST', 'CORRECT', 'DONE')),
    ref_seq        int4 CHECK (ref_seq > 0 AND ref_seq < seq),
    quantity       int8 NOT NULL,
    price          numeric(18, 4) NOT NULL,
    executed_at    timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (block_order_id, seq),
    CHECK ((kind IN ('BUST', 'CORRECT')) = (ref_seq IS NOT NULL))
);
