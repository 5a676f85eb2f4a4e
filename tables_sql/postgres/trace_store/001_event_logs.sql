-- The events of code generation sessions. Partitioned by month (UTC) of the event's own time, so that a month is dropped
-- as a whole. The key is the event's own: whatever is delivered again finds its row there.
CREATE TABLE event_logs (
    region                text NOT NULL,
    event_id              uuid NOT NULL DEFAULT gen_random_uuid(),
    session_id            uuid NOT NULL,
    correlation_id        uuid,
    event_type            varchar(50) NOT NULL CHECK (event_type IN ('request', 'response', 'status', 'error')),
    topic                 varchar(255) NOT NULL,
    "timestamp"           timestamptz NOT NULL,
    status                varchar(50) NOT NULL
                          CHECK (status IN ('sent', 'received', 'failed', 'processing', 'completed')),
    processing_time_ms    int4 CHECK (processing_time_ms >= 0),
    payload               jsonb NOT NULL,
    metadata              jsonb NOT NULL DEFAULT '{}',
    -- The exchange that this one followed from: the next hop of a chain.
    parent_correlation_id uuid,
    -- Without the region, which is one for the whole database: an index with it seems good for every question, until a
    -- new month is analysed.
    PRIMARY KEY (event_id, "timestamp")
) PARTITION BY RANGE ("timestamp");

CREATE INDEX idx_event_logs_session_id ON event_logs (session_id);

CREATE INDEX idx_event_logs_correlation_id ON event_logs (correlation_id);

CREATE INDEX idx_event_logs_timestamp ON event_logs ("timestamp" DESC);

CREATE INDEX idx_event_logs_event_type ON event_logs (event_type);

CREATE INDEX idx_event_logs_topic ON event_logs (topic);

-- With the event's id, so that events of one moment have an order without a sort.
CREATE INDEX idx_event_logs_session_timestamp ON event_logs (session_id, "timestamp" DESC, event_id DESC);

CREATE INDEX idx_event_logs_payload_gin ON event_logs USING gin (payload);

CREATE INDEX idx_event_logs_metadata_gin ON event_logs USING gin (metadata);

-- Few events have a parent: chains are followed without the GIN index.
CREATE INDEX event_logs_parent ON event_logs (parent_correlation_id) WHERE parent_correlation_id IS NOT NULL;
