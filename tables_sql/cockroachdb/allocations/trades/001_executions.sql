-- The market's side: what it has to execute, and what it executed.
-- Checked: the grammar, by CockroachDB's own parser (25.2). Not checked: types, names and behaviour on a server.
CREATE SCHEMA trades;

CREATE TABLE trades.market_order (
    block_order_id   UUID PRIMARY KEY,
    -- NULL of a cancel that came before its order.
    security_id      INT4,
    side             STRING CHECK (side IN ('BUY', 'SELL')),
    quantity         INT8 CHECK (quantity > 0),
    market_price     DECIMAL(18, 4) CHECK (market_price > 0),
    status           STRING NOT NULL CHECK (status IN ('WORKING', 'DONE', 'CANCELLED')),
    cancel_requested BOOL NOT NULL DEFAULT false,
    -- Of the pieces that it is filled in.
    next_piece       INT4 NOT NULL DEFAULT 0,
    next_seq         INT4 NOT NULL DEFAULT 1,
    received_at      TIMESTAMPTZ NOT NULL DEFAULT now(),
    updated_at       TIMESTAMPTZ NOT NULL DEFAULT now()
);

-- What the market works on.
CREATE INDEX market_order_working ON trades.market_order (updated_at) WHERE status = 'WORKING';

-- Append-only. A changefeed of it goes to allocations.executions.
CREATE TABLE trades.execution (
    block_order_id UUID NOT NULL,
    seq            INT4 NOT NULL CHECK (seq > 0),
    execution_id   UUID NOT NULL,
    kind           STRING NOT NULL CHECK (kind IN ('FILL', 'BUST', 'CORRECT', 'DONE')),
    ref_seq        INT4 CHECK (ref_seq > 0 AND ref_seq < seq),
    quantity       INT8 NOT NULL,
    price          DECIMAL(18, 4) NOT NULL,
    executed_at    TIMESTAMPTZ NOT NULL DEFAULT now(),
    PRIMARY KEY (block_order_id, seq),
    CHECK ((kind IN ('BUST', 'CORRECT')) = (ref_seq IS NOT NULL))
);
