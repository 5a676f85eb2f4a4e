-- The events of code generation sessions, in the region of the session.
-- Checked: the grammar, by CockroachDB's own parser (25.2). Not checked: types, names and behaviour on a server.
-- No partitions by month: rows live where their region is, and the server itself removes what is older than 90 days.
-- The key is the event's own: whatever is delivered again finds its row there.
CREATE TABLE event_logs (
    region                STRING NOT NULL,
    event_id              UUID NOT NULL DEFAULT gen_random_uuid(),
    session_id            UUID NOT NULL,
    correlation_id        UUID,
    event_type            VARCHAR(50) NOT NULL CHECK (event_type IN ('request', 'response', 'status', 'error')),
    topic                 VARCHAR(255) NOT NULL,
    "timestamp"           TIMESTAMPTZ NOT NULL,
    status                VARCHAR(50) NOT NULL
                          CHECK (status IN ('sent', 'received', 'failed', 'processing', 'completed')),
    processing_time_ms    INT4 CHECK (processing_time_ms >= 0),
    payload               JSONB NOT NULL,
    metadata              JSONB NOT NULL DEFAULT '{}',
    -- The exchange that this one followed from: the next hop of a chain.
    parent_correlation_id UUID,
    computed_region       crdb_internal_region NOT VISIBLE NOT NULL AS (region::crdb_internal_region) STORED,
    PRIMARY KEY (region, event_id, "timestamp")
) WITH (ttl_expiration_expression = '("timestamp" + INTERVAL ''90 days'')', ttl_job_cron = '@daily')
  LOCALITY REGIONAL BY ROW AS computed_region;

CREATE INDEX idx_event_logs_session_id ON event_logs (session_id);

CREATE INDEX idx_event_logs_correlation_id ON event_logs (correlation_id);

-- Rows that come in the order of time would all go to one range.
CREATE INDEX idx_event_logs_timestamp ON event_logs ("timestamp" DESC) USING HASH;

CREATE INDEX idx_event_logs_event_type ON event_logs (event_type);

CREATE INDEX idx_event_logs_topic ON event_logs (topic);

-- Read from the oldest on: CockroachDB reads backwards more slowly than forwards, so the order is turned round.
CREATE INDEX idx_event_logs_session_timestamp ON event_logs (session_id, "timestamp", event_id);

CREATE INVERTED INDEX idx_event_logs_payload_gin ON event_logs (payload);

CREATE INVERTED INDEX idx_event_logs_metadata_gin ON event_logs (metadata);

-- Few events have a parent: chains are followed without the inverted index.
CREATE INDEX event_logs_parent ON event_logs (parent_correlation_id) WHERE parent_correlation_id IS NOT NULL;
