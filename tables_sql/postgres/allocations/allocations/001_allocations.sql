-- Executions as they come, and what the accounts get of them.
CREATE SCHEMA allocations;

CREATE TABLE allocations.block_order (
    block_order_id  uuid PRIMARY KEY,
    rebalance_id    uuid NOT NULL,
    security_id     int4 NOT NULL,
    side            text NOT NULL CHECK (side IN ('BUY', 'SELL')),
    trading_day     date NOT NULL,
    market_price    numeric(18, 4) NOT NULL CHECK (market_price > 0),
    ordered         int8 NOT NULL CHECK (ordered > 0),
    parts           int4 NOT NULL CHECK (parts > 0),
    -- What stands of the executions up to applied_seq.
    executed        int8 NOT NULL DEFAULT 0 CHECK (executed BETWEEN 0 AND ordered),
    amount          numeric(24, 4) NOT NULL DEFAULT 0,
    -- What snapshots have given to the accounts, of executions up to snapshot_seq.
    allotted        int8 NOT NULL DEFAULT 0 CHECK (allotted BETWEEN 0 AND ordered),
    allotted_amount numeric(24, 4) NOT NULL DEFAULT 0,
    applied_seq     int4 NOT NULL DEFAULT 0,
    snapshot_seq    int4 NOT NULL DEFAULT 0,
    snapshots       int4 NOT NULL DEFAULT 0,
    is_done         bool NOT NULL DEFAULT false,
    opened_at       timestamptz NOT NULL DEFAULT now(),
    updated_at      timestamptz NOT NULL DEFAULT now()
) WITH (fillfactor = 80);

-- Every execution that came, in whatever order; those up to the block order's applied_seq have had their effect.
CREATE TABLE allocations.execution (
    block_order_id uuid NOT NULL,
    seq            int4 NOT NULL CHECK (seq > 0),
    execution_id   uuid NOT NULL,
    kind           text NOT NULL CHECK (kind IN ('FILL', 'BUST', 'CORRECT', 'DONE')),
    ref_seq        int4,
    quantity       int8 NOT NULL,
    price          numeric(18, 4) NOT NULL,
    executed_at    timestamptz NOT NULL,
    captured_at    timestamptz NOT NULL DEFAULT now(),
    -- What came after it took it back.
    is_ended       bool NOT NULL DEFAULT false,
    -- Why it has no effect, where it has none.
    rejected       text,
    PRIMARY KEY (block_order_id, seq)
) WITH (fillfactor = 95);

CREATE TABLE allocations.snapshot (
    block_order_id uuid NOT NULL,
    snapshot_no    int4 NOT NULL CHECK (snapshot_no > 0),
    kind           text NOT NULL CHECK (kind IN ('FILL', 'REVERSAL')),
    from_seq       int4 NOT NULL,
    to_seq         int4 NOT NULL CHECK (to_seq >= from_seq),
    quantity       int8 NOT NULL CHECK (quantity <> 0),
    amount         numeric(24, 4) NOT NULL,
    average_price  numeric(18, 4) NOT NULL,
    fair_price     numeric(18, 4) NOT NULL,
    is_fair        bool NOT NULL,
    taken_at       timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (block_order_id, snapshot_no)
);

-- What is reported as a break: hardly any.
CREATE INDEX snapshot_unfair ON allocations.snapshot (taken_at) WHERE NOT is_fair;

-- Customer orders of one block order and one bucket, filled in one transaction.
CREATE TABLE allocations.part (
    block_order_id uuid NOT NULL,
    part_no        int4 NOT NULL,
    bucket         int2 NOT NULL,
    ordered        int8 NOT NULL CHECK (ordered > 0),
    allotted       int8 NOT NULL DEFAULT 0 CHECK (allotted BETWEEN 0 AND ordered),
    PRIMARY KEY (block_order_id, part_no)
) WITH (fillfactor = 80);

-- What a snapshot gives to a part; filled_at: its accounts have it. Filled in the order of the snapshots.
CREATE TABLE allocations.part_due (
    block_order_id uuid NOT NULL,
    part_no        int4 NOT NULL,
    snapshot_no    int4 NOT NULL,
    quantity       int8 NOT NULL CHECK (quantity <> 0),
    amount         numeric(24, 4) NOT NULL,
    filled_at      timestamptz,
    PRIMARY KEY (block_order_id, part_no, snapshot_no)
) WITH (fillfactor = 80);

-- Each customer order, and how far it is filled.
CREATE TABLE allocations.allocation (
    block_order_id uuid NOT NULL,
    part_no        int4 NOT NULL,
    account_id     int8 NOT NULL,
    ordered        int8 NOT NULL CHECK (ordered > 0),
    filled         int8 NOT NULL DEFAULT 0 CHECK (filled BETWEEN 0 AND ordered),
    amount         numeric(20, 4) NOT NULL DEFAULT 0,
    PRIMARY KEY (block_order_id, part_no, account_id)
) WITH (fillfactor = 80);

-- Every fill. Append-only.
CREATE TABLE allocations.fill (
    block_order_id uuid NOT NULL,
    part_no        int4 NOT NULL,
    snapshot_no    int4 NOT NULL,
    account_id     int8 NOT NULL,
    quantity       int8 NOT NULL CHECK (quantity <> 0),
    amount         numeric(20, 4) NOT NULL,
    filled_at      timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (block_order_id, part_no, snapshot_no, account_id)
);
