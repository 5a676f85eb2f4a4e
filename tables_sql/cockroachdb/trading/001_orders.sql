-- Orders, and the events about them that a changefeed carries to trading.orders: written in one transaction.
-- Checked: the grammar, by CockroachDB's own parser (25.2). Not checked: types, names and behaviour on a server.
CREATE SCHEMA app;

CREATE TABLE app.orders (
    region            STRING NOT NULL,
    id                UUID NOT NULL,
    client_order_id   STRING NOT NULL CHECK (length(client_order_id) BETWEEN 1 AND 36),
    decision_id       UUID NOT NULL,
    symbol            STRING NOT NULL CHECK (length(symbol) BETWEEN 1 AND 20),
    side              STRING NOT NULL CHECK (side IN ('BUY', 'SELL')),
    qty               INT4 NOT NULL CHECK (qty > 0),
    price             DECIMAL(18, 6) NOT NULL CHECK (price > 0),
    confidence        DECIMAL(5, 4) NOT NULL CHECK (confidence BETWEEN 0.5 AND 1),
    -- SENT: the exchange may have it.
    status            STRING NOT NULL DEFAULT 'NEW' CHECK (status IN ('NEW', 'SENT', 'FILLED', 'REJECTED')),
    -- The event that the executor has taken up; another event of the order is no reason to send it again.
    executed_event_id UUID,
    exchange_order_id STRING,
    filled_qty        INT4 CHECK (filled_qty BETWEEN 1 AND qty),
    filled_price      DECIMAL(18, 6) CHECK (filled_price > 0),
    reject_reason     STRING,
    created_at        TIMESTAMPTZ NOT NULL DEFAULT now(),
    updated_at        TIMESTAMPTZ NOT NULL DEFAULT now(),
    computed_region   crdb_internal_region NOT VISIBLE NOT NULL AS (region::crdb_internal_region) STORED,
    PRIMARY KEY (region, id),
    -- A decision delivered again finds its order here.
    UNIQUE (region, client_order_id),
    CHECK ((status IN ('FILLED', 'REJECTED')) = (exchange_order_id IS NOT NULL)),
    CHECK ((status = 'FILLED') = (filled_qty IS NOT NULL AND filled_price IS NOT NULL)),
    CHECK (status = 'NEW' OR executed_event_id IS NOT NULL)
) LOCALITY REGIONAL BY ROW AS computed_region;

-- What is on its way to the exchange: the bulk is not.
CREATE INDEX orders_open ON app.orders (region, created_at) WHERE status IN ('NEW', 'SENT');

-- What people look at: the newest.
CREATE INDEX orders_created ON app.orders (region, created_at DESC, id);

-- One row for each event; the server itself removes what is older than three days.
-- event_id is made of the order and written with it alone, so the order's key keeps it unique.
CREATE TABLE app.outbox (
    region          STRING NOT NULL,
    event_id        UUID NOT NULL,
    aggregate_type  STRING NOT NULL CHECK (length(aggregate_type) BETWEEN 1 AND 50),
    aggregate_id    UUID NOT NULL,
    type            STRING NOT NULL CHECK (length(type) BETWEEN 1 AND 50),
    payload         JSONB NOT NULL,
    occurred_at     TIMESTAMPTZ NOT NULL DEFAULT now(),
    occurred_at_ms  INT8 AS ((extract(epoch FROM occurred_at AT TIME ZONE 'UTC') * 1000)::INT8) STORED,
    occurred_at_utc TIMESTAMP(3) NOT NULL DEFAULT (now() AT TIME ZONE 'UTC'),
    computed_region crdb_internal_region NOT VISIBLE NOT NULL AS (region::crdb_internal_region) STORED,
    PRIMARY KEY (region, event_id, occurred_at)
) WITH (ttl_expiration_expression = '(occurred_at + INTERVAL ''3 days'')', ttl_job_cron = '@daily')
  LOCALITY REGIONAL BY ROW AS computed_region;

-- What people look at, and what a prune audits.
CREATE INDEX outbox_occurred ON app.outbox (region, occurred_at DESC, event_id);
