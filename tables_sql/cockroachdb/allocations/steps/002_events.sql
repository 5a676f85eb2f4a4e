-- As in tracking/001_events.sql, without homes of rows: `region` is the domain, whose database has one home.
-- What was published and what became of it, and what was consumed and what became of it.
-- Checked: the grammar, by CockroachDB's own parser (25.2). Not checked: types, names and behaviour on a server.
-- No partitions by day: a day is archived and removed by created_at.

-- Every event that was ever given to the publisher; the digest tells a repetition from another event of the same id.
CREATE TABLE event_production_key (
    region     STRING NOT NULL,
    event_id   STRING NOT NULL CHECK (length(event_id) BETWEEN 1 AND 100),
    created_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    digest     STRING NOT NULL,
    PRIMARY KEY (region, event_id)
);

-- Where pruning finds old keys. There is no BRIN, and the rows do not come in the order of time.
CREATE INDEX event_production_key_created ON event_production_key (region, created_at);

CREATE TABLE event_production_log (
    -- A sequence, not unique_rowid(): two gateways' clocks must not turn the events of a key round.
    id               INT8 GENERATED ALWAYS AS IDENTITY,
    region           STRING NOT NULL,
    event_id         STRING NOT NULL CHECK (length(event_id) BETWEEN 1 AND 100),
    service_name     STRING NOT NULL CHECK (length(service_name) BETWEEN 1 AND 100),
    topic            STRING NOT NULL CHECK (length(topic) BETWEEN 1 AND 249),
    event_key        STRING CHECK (length(event_key) <= 255),
    event_type       STRING NOT NULL CHECK (length(event_type) BETWEEN 1 AND 100),
    payload          JSONB NOT NULL,
    status           STRING NOT NULL DEFAULT 'PENDING' CHECK (status IN ('PENDING', 'PUBLISHING', 'PUBLISHED', 'FAILED')),
    retry_count      INT4 NOT NULL DEFAULT 0 CHECK (retry_count >= 0),
    max_retries      INT4 NOT NULL DEFAULT 3 CHECK (max_retries >= 0),
    error_message    STRING,
    correlation_id   STRING CHECK (length(correlation_id) <= 100),
    partition_number INT4,
    "offset"         INT8,
    published_at     TIMESTAMPTZ,
    created_at       TIMESTAMPTZ NOT NULL DEFAULT now(),
    updated_at       TIMESTAMPTZ,
    metadata         JSONB,
    -- Which of the relays' shares the event is in: a hash of its key, so that one relay has all of a key.
    shard            INT2 NOT NULL CHECK (shard >= 0),
    -- After a failure: not before then. The later events of its key wait behind it.
    next_attempt_at  TIMESTAMPTZ,
    CHECK (status <> 'PUBLISHED' OR (partition_number IS NOT NULL AND "offset" IS NOT NULL AND published_at IS NOT NULL)),
    CHECK (status <> 'FAILED' OR error_message IS NOT NULL),
    PRIMARY KEY (region, event_id, created_at)
);

-- What is done is the bulk, and nobody looks for it by its status: leaving it out makes an event's way to PUBLISHED
-- cost half as much.
CREATE INDEX idx_prod_status_created ON event_production_log (status, created_at) WHERE status <> 'PUBLISHED';

CREATE INDEX idx_prod_topic ON event_production_log (topic, created_at);

CREATE INDEX idx_prod_correlation ON event_production_log (correlation_id) WHERE correlation_id IS NOT NULL;

CREATE INDEX idx_prod_service ON event_production_log (service_name, status) WHERE status <> 'PUBLISHED';

-- What relays take, in order.
CREATE INDEX event_production_open ON event_production_log (region, id) WHERE status = 'PENDING';

-- What waits for another try, and makes the later events of its key wait.
CREATE INDEX event_production_waiting ON event_production_log (region, next_attempt_at)
    WHERE status = 'PENDING' AND next_attempt_at IS NOT NULL;

-- The days of the log: what is archived and removed.
CREATE INDEX event_production_created ON event_production_log (region, created_at);

-- Relays that live, and which of them has which share of a region's events until when.
CREATE TABLE event_relay (
    region     STRING NOT NULL,
    relay_id   STRING NOT NULL,
    seen_until TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (region, relay_id)
);

CREATE TABLE event_relay_shard (
    region      STRING NOT NULL,
    shard       INT2 NOT NULL CHECK (shard >= 0),
    relay_id    STRING,
    lease_until TIMESTAMPTZ NOT NULL DEFAULT now(),
    PRIMARY KEY (region, shard)
);

-- The inbox: processed_at is set in the transaction of the event's effect, and only once.
CREATE TABLE event_consumption_key (
    region         STRING NOT NULL,
    consumer_group STRING NOT NULL CHECK (length(consumer_group) BETWEEN 1 AND 100),
    event_id       STRING NOT NULL CHECK (length(event_id) BETWEEN 1 AND 400),
    created_at     TIMESTAMPTZ NOT NULL DEFAULT now(),
    digest         STRING NOT NULL,
    processed_at   TIMESTAMPTZ,
    PRIMARY KEY (region, consumer_group, event_id)
);

CREATE INDEX event_consumption_key_created ON event_consumption_key (region, created_at);

CREATE TABLE event_consumption_log (
    id                 INT8 GENERATED ALWAYS AS IDENTITY,
    region             STRING NOT NULL,
    event_id           STRING NOT NULL CHECK (length(event_id) BETWEEN 1 AND 400),
    service_name       STRING NOT NULL CHECK (length(service_name) BETWEEN 1 AND 100),
    topic              STRING NOT NULL CHECK (length(topic) BETWEEN 1 AND 249),
    partition_number   INT4 NOT NULL CHECK (partition_number >= 0),
    "offset"           INT8 NOT NULL CHECK ("offset" >= 0),
    consumer_group     STRING NOT NULL CHECK (length(consumer_group) BETWEEN 1 AND 100),
    event_type         STRING NOT NULL,
    event_key          STRING,
    payload            JSONB NOT NULL,
    status             STRING NOT NULL CHECK (status IN ('RECEIVED', 'PROCESSING', 'PROCESSED', 'FAILED')),
    retry_count        INT4 NOT NULL DEFAULT 0 CHECK (retry_count >= 0),
    max_retries        INT4 NOT NULL DEFAULT 3 CHECK (max_retries >= 0),
    processing_time_ms INT8 CHECK (processing_time_ms >= 0),
    error_message      STRING,
    error_stack_trace  STRING,
    correlation_id     STRING,
    received_at        TIMESTAMPTZ NOT NULL,
    processed_at       TIMESTAMPTZ,
    created_at         TIMESTAMPTZ NOT NULL DEFAULT now(),
    updated_at         TIMESTAMPTZ,
    metadata           JSONB,
    CHECK (status <> 'PROCESSED' OR (processed_at IS NOT NULL AND processing_time_ms IS NOT NULL)),
    CHECK (status <> 'FAILED' OR error_message IS NOT NULL),
    -- By event first: this is also idx_cons_event_id of the idempotency check.
    PRIMARY KEY (region, event_id, consumer_group, created_at)
);

CREATE INDEX idx_cons_status_created ON event_consumption_log (status, created_at) WHERE status <> 'PROCESSED';

CREATE INDEX idx_cons_topic_partition_offset ON event_consumption_log (topic, partition_number, "offset");

CREATE INDEX idx_cons_consumer_group ON event_consumption_log (consumer_group, status) WHERE status <> 'PROCESSED';

CREATE INDEX idx_cons_correlation ON event_consumption_log (correlation_id) WHERE correlation_id IS NOT NULL;

CREATE INDEX idx_cons_service ON event_consumption_log (service_name, status) WHERE status <> 'PROCESSED';

CREATE INDEX event_consumption_created ON event_consumption_log (region, created_at);
