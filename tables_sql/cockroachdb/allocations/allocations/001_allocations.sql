-- Executions as they come, and what the accounts get of them.
-- Checked: the grammar, by CockroachDB's own parser (25.2). Not checked: types, names and behaviour on a server.
CREATE SCHEMA allocations;

CREATE TABLE allocations.block_order (
    block_order_id  UUID PRIMARY KEY,
    rebalance_id    UUID NOT NULL,
    security_id     INT4 NOT NULL,
    side            STRING NOT NULL CHECK (side IN ('BUY', 'SELL')),
    trading_day     DATE NOT NULL,
    market_price    DECIMAL(18, 4) NOT NULL CHECK (market_price > 0),
    ordered         INT8 NOT NULL CHECK (ordered > 0),
    parts           INT4 NOT NULL CHECK (parts > 0),
    -- What stands of the executions up to applied_seq.
    executed        INT8 NOT NULL DEFAULT 0 CHECK (executed BETWEEN 0 AND ordered),
    amount          DECIMAL(24, 4) NOT NULL DEFAULT 0,
    -- What snapshots have given to the accounts, of executions up to snapshot_seq.
    allotted        INT8 NOT NULL DEFAULT 0 CHECK (allotted BETWEEN 0 AND ordered),
    allotted_amount DECIMAL(24, 4) NOT NULL DEFAULT 0,
    applied_seq     INT4 NOT NULL DEFAULT 0,
    snapshot_seq    INT4 NOT NULL DEFAULT 0,
    snapshots       INT4 NOT NULL DEFAULT 0,
    is_done         BOOL NOT NULL DEFAULT false,
    opened_at       TIMESTAMPTZ NOT NULL DEFAULT now(),
    updated_at      TIMESTAMPTZ NOT NULL DEFAULT now()
);

-- Every execution that came, in whatever order; those up to the block order's applied_seq have had their effect.
CREATE TABLE allocations.execution (
    block_order_id UUID NOT NULL,
    seq            INT4 NOT NULL CHECK (seq > 0),
    execution_id   UUID NOT NULL,
    kind           STRING NOT NULL CHECK (kind IN ('FILL', 'BUST', 'CORRECT', 'DONE')),
    ref_seq        INT4,
    quantity       INT8 NOT NULL,
    price          DECIMAL(18, 4) NOT NULL,
    executed_at    TIMESTAMPTZ NOT NULL,
    captured_at    TIMESTAMPTZ NOT NULL DEFAULT now(),
    -- What came after it took it back.
    is_ended       BOOL NOT NULL DEFAULT false,
    -- Why it has no effect, where it has none.
    rejected       STRING,
    PRIMARY KEY (block_order_id, seq)
);

CREATE TABLE allocations.snapshot (
    block_order_id UUID NOT NULL,
    snapshot_no    INT4 NOT NULL CHECK (snapshot_no > 0),
    kind           STRING NOT NULL CHECK (kind IN ('FILL', 'REVERSAL')),
    from_seq       INT4 NOT NULL,
    to_seq         INT4 NOT NULL CHECK (to_seq >= from_seq),
    quantity       INT8 NOT NULL CHECK (quantity <> 0),
    amount         DECIMAL(24, 4) NOT NULL,
    average_price  DECIMAL(18, 4) NOT NULL,
    fair_price     DECIMAL(18, 4) NOT NULL,
    is_fair        BOOL NOT NULL,
    taken_at       TIMESTAMPTZ NOT NULL DEFAULT now(),
    PRIMARY KEY (block_order_id, snapshot_no)
);

-- What is reported as a break: hardly any.
CREATE INDEX snapshot_unfair ON allocations.snapshot (taken_at) WHERE NOT is_fair;

-- Customer orders of one block order and one bucket, filled in one transaction.
CREATE TABLE allocations.part (
    block_order_id UUID NOT NULL,
    part_no        INT4 NOT NULL,
    bucket         INT2 NOT NULL,
    ordered        INT8 NOT NULL CHECK (ordered > 0),
    allotted       INT8 NOT NULL DEFAULT 0 CHECK (allotted BETWEEN 0 AND ordered),
    PRIMARY KEY (block_order_id, part_no)
);

-- What a snapshot gives to a part; filled_at: its accounts have it. Filled in the order of the snapshots.
CREATE TABLE allocations.part_due (
    block_order_id UUID NOT NULL,
    part_no        INT4 NOT NULL,
    snapshot_no    INT4 NOT NULL,
    quantity       INT8 NOT NULL CHECK (quantity <> 0),
    amount         DECIMAL(24, 4) NOT NULL,
    filled_at      TIMESTAMPTZ,
    PRIMARY KEY (block_order_id, part_no, snapshot_no)
);

-- Each customer order, and how far it is filled.
CREATE TABLE allocations.allocation (
    block_order_id UUID NOT NULL,
    part_no        INT4 NOT NULL,
    account_id     INT8 NOT NULL,
    ordered        INT8 NOT NULL CHECK (ordered > 0),
    filled         INT8 NOT NULL DEFAULT 0 CHECK (filled BETWEEN 0 AND ordered),
    amount         DECIMAL(20, 4) NOT NULL DEFAULT 0,
    PRIMARY KEY (block_order_id, part_no, account_id)
);

-- Every fill. Append-only.
CREATE TABLE allocations.fill (
    block_order_id UUID NOT NULL,
    part_no        INT4 NOT NULL,
    snapshot_no    INT4 NOT NULL,
    account_id     INT8 NOT NULL,
    quantity       INT8 NOT NULL CHECK (quantity <> 0),
    amount         DECIMAL(20, 4) NOT NULL,
    filled_at      TIMESTAMPTZ NOT NULL DEFAULT now(),
    PRIMARY KEY (block_order_id, part_no, snapshot_no, account_id)
);
