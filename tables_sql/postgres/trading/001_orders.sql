-- Orders, and the events about them that a connector carries to trading.orders: written in one transaction.
CREATE SCHEMA app;

CREATE TABLE app.orders (
    region            text NOT NULL,
    id                uuid NOT NULL,
    client_order_id   text NOT NULL CHECK (length(client_order_id) BETWEEN 1 AND 36),
    decision_id       uuid NOT NULL,
    symbol            text NOT NULL CHECK (length(symbol) BETWEEN 1 AND 20),
    side              text NOT NULL CHECK (side IN ('BUY', 'SELL')),
    qty               int4 NOT NULL CHECK (qty > 0),
    price             numeric(18, 6) NOT NULL CHECK (price > 0),
    confidence        numeric(5, 4) NOT NULL CHECK (confidence BETWEEN 0.5 AND 1),
    -- SENT: the exchange may have it.
    status            text NOT NULL DEFAULT 'NEW' CHECK (status IN ('NEW', 'SENT', 'FILLED', 'REJECTED')),
    -- The event that the executor has taken up; another event of the order is no reason to send it again.
    executed_event_id uuid,
    exchange_order_id text,
    filled_qty        int4 CHECK (filled_qty BETWEEN 1 AND qty),
    filled_price      numeric(18, 6) CHECK (filled_price > 0),
    reject_reason     text,
    created_at        timestamptz NOT NULL DEFAULT now(),
    updated_at        timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (region, id),
    -- A decision delivered again finds its order here.
    UNIQUE (region, client_order_id),
    CHECK ((status IN ('FILLED', 'REJECTED')) = (exchange_order_id IS NOT NULL)),
    CHECK ((status = 'FILLED') = (filled_qty IS NOT NULL AND filled_price IS NOT NULL)),
    CHECK (status = 'NEW' OR executed_event_id IS NOT NULL)
) WITH (fillfactor = 80);

-- What is on its way to the exchange: the bulk is not.
CREATE INDEX orders_open ON app.orders (region, created_at) WHERE status IN ('NEW', 'SENT');

-- What people look at: the newest.
CREATE INDEX orders_created ON app.orders (region, created_at DESC, id);

-- One row for each event. Partitioned by the day (UTC) of occurred_at, so that old days are dropped as a whole.
-- event_id is made of the order and written with it alone, so the order's key keeps it unique over all days.
CREATE TABLE app.outbox (
    region          text NOT NULL,
    event_id        uuid NOT NULL,
    aggregate_type  text NOT NULL CHECK (length(aggregate_type) BETWEEN 1 AND 50),
    aggregate_id    uuid NOT NULL,
    type            text NOT NULL CHECK (length(type) BETWEEN 1 AND 50),
    payload         jsonb NOT NULL,
    occurred_at     timestamptz NOT NULL DEFAULT now(),
    -- For readers. The connector cannot use it: logical decoding leaves generated columns out.
    occurred_at_ms  int8 GENERATED ALWAYS AS ((extract(epoch FROM occurred_at AT TIME ZONE 'UTC') * 1000)::int8) STORED,
    -- For the connector, which takes no other type for the time of an event.
    occurred_at_utc timestamp(3) NOT NULL DEFAULT (now() AT TIME ZONE 'UTC'),
    PRIMARY KEY (region, event_id, occurred_at)
) PARTITION BY RANGE (occurred_at);

-- What people look at, and what a prune audits.
CREATE INDEX outbox_occurred ON app.outbox (region, occurred_at DESC, event_id);
