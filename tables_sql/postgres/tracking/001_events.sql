-- What was published and what became of it, and what was consumed and what became of it. Both logs are partitioned by
-- the day (UTC) of created_at, so that a day is archived and dropped as a whole. A unique key of a partitioned table
-- must hold the partition column, so what is unique over all days stands in a narrow table beside each log:
-- event_production_key (event_id) and event_consumption_key (consumer_group, event_id), written in the same transaction.

-- Every event that was ever given to the publisher; the digest tells a repetition from another event of the same id.
CREATE TABLE event_production_key (
    region     text NOT NULL,
    event_id   text NOT NULL CHECK (length(event_id) BETWEEN 1 AND 100),
    created_at timestamptz NOT NULL DEFAULT now(),
    digest     text NOT NULL,
    PRIMARY KEY (region, event_id)
);

-- Where pruning finds old keys; rows come in this order, so a summary of their pages is enough.
CREATE INDEX event_production_key_created ON event_production_key USING brin (created_at);

CREATE TABLE event_production_log (
    id               int8 GENERATED ALWAYS AS IDENTITY,
    region           text NOT NULL,
    event_id         text NOT NULL CHECK (length(event_id) BETWEEN 1 AND 100),
    service_name     text NOT NULL CHECK (length(service_name) BETWEEN 1 AND 100),
    topic            text NOT NULL CHECK (length(topic) BETWEEN 1 AND 249),
    event_key        text CHECK (length(event_key) <= 255),
    event_type       text NOT NULL CHECK (length(event_type) BETWEEN 1 AND 100),
    payload          jsonb NOT NULL,
    status           text NOT NULL DEFAULT 'PENDING' CHECK (status IN ('PENDING', 'PUBLISHING', 'PUBLISHED', 'FAILED')),
    retry_count      int4 NOT NULL DEFAULT 0 CHECK (retry_count >= 0),
    max_retries      int4 NOT NULL DEFAULT 3 CHECK (max_retries >= 0),
    error_message    text,
    correlation_id   text CHECK (length(correlation_id) <= 100),
    partition_number int4,
    "offset"         int8,
    published_at     timestamptz,
    created_at       timestamptz NOT NULL DEFAULT now(),
    updated_at       timestamptz,
    metadata         jsonb,
    -- Which of the relays' shares the event is in: a hash of its key, so that one relay has all of a key.
    shard            int2 NOT NULL CHECK (shard >= 0),
    -- After a failure: not before then. The later events of its key wait behind it.
    next_attempt_at  timestamptz,
    CHECK (status <> 'PUBLISHED' OR (partition_number IS NOT NULL AND "offset" IS NOT NULL AND published_at IS NOT NULL)),
    CHECK (status <> 'FAILED' OR error_message IS NOT NULL),
    PRIMARY KEY (region, event_id, created_at)
) PARTITION BY RANGE (created_at);

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

CREATE INDEX event_production_created ON event_production_log USING brin (created_at);

-- Relays that live, and which of them has which share of a region's events until when.
CREATE TABLE event_relay (
    region     text NOT NULL,
    relay_id   text NOT NULL,
    seen_until timestamptz NOT NULL,
    PRIMARY KEY (region, relay_id)
);

CREATE TABLE event_relay_shard (
    region      text NOT NULL,
    shard       int2 NOT NULL CHECK (shard >= 0),
    relay_id    text,
    lease_until timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (region, shard)
) WITH (fillfactor = 50);

-- The inbox: processed_at is set in the transaction of the event's effect, and only once.
CREATE TABLE event_consumption_key (
    region         text NOT NULL,
    consumer_group text NOT NULL CHECK (length(consumer_group) BETWEEN 1 AND 100),
    event_id       text NOT NULL CHECK (length(event_id) BETWEEN 1 AND 400),
    created_at     timestamptz NOT NULL DEFAULT now(),
    digest         text NOT NULL,
    processed_at   timestamptz,
    PRIMARY KEY (region, consumer_group, event_id)
) WITH (fillfactor = 90);

CREATE INDEX event_consumption_key_created ON event_consumption_key USING brin (created_at);

CREATE TABLE event_consumption_log (
    id                 int8 GENERATED ALWAYS AS IDENTITY,
    region             text NOT NULL,
    event_id           text NOT NULL CHECK (length(event_id) BETWEEN 1 AND 400),
    service_name       text NOT NULL CHECK (length(service_name) BETWEEN 1 AND 100),
    topic              text NOT NULL CHECK (length(topic) BETWEEN 1 AND 249),
    partition_number   int4 NOT NULL CHECK (partition_number >= 0),
    "offset"           int8 NOT NULL CHECK ("offset" >= 0),
    consumer_group     text NOT NULL CHECK (length(consumer_group) BETWEEN 1 AND 100),
    event_type         text NOT NULL,
    event_key          text,
    payload            jsonb NOT NULL,
    status             text NOT NULL CHECK (status IN ('RECEIVED', 'PROCESSING', 'PROCESSED', 'FAILED')),
    retry_count        int4 NOT NULL DEFAULT 0 CHECK (retry_count >= 0),
    max_retries        int4 NOT NULL DEFAULT 3 CHECK (max_retries >= 0),
    processing_time_ms int8 CHECK (processing_time_ms >= 0),
    error_message      text,
    error_stack_trace  text,
    correlation_id     text,
    received_at        timestamptz NOT NULL,
    processed_at       timestamptz,
    created_at         timestamptz NOT NULL DEFAULT now(),
    updated_at         timestamptz,
    metadata           jsonb,
    CHECK (status <> 'PROCESSED' OR (processed_at IS NOT NULL AND processing_time_ms IS NOT NULL)),
    CHECK (status <> 'FAILED' OR error_message IS NOT NULL),
    -- By event first: this is also idx_cons_event_id of the idempotency check.
    PRIMARY KEY (region, event_id, consumer_group, created_at)
) PARTITION BY RANGE (created_at);

CREATE INDEX idx_cons_status_created ON event_consumption_log (status, created_at) WHERE status <> 'PROCESSED';

CREATE INDEX idx_cons_topic_partition_offset ON event_consumption_log (topic, partition_number, "offset");

CREATE INDEX idx_cons_consumer_group ON event_consumption_log (consumer_group, status) WHERE status <> 'PROCESSED';

CREATE INDEX idx_cons_correlation ON event_consumption_log (correlation_id) WHERE correlation_id IS NOT NULL;

CREATE INDEX idx_cons_service ON event_consumption_log (service_name, status) WHERE status <> 'PROCESSED';

CREATE INDEX event_consumption_created ON event_consumption_log USING brin (created_at);
