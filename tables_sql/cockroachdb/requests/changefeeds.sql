-- The changefeeds of the requests system. Run by hand, once each, as streams_replication; the topics have 24 partitions.
-- Checked: the grammar, by CockroachDB's own parser (25.2), and the names of options. Not checked: behaviour on a server.
-- Placeholders: kafka:9093, the three certificates of the URI, the job's number 1, and 'HLC'.

-- By an administrator, once for the cluster.
SET CLUSTER SETTING kv.rangefeed.enabled = true;

-- 1. The first step: new requests, keys alone: ["us-central", 11, "<request_id>"]. The workers read the row itself.
-- RequiredAcks ONE loses what only the leader of a partition had when it died: for trying things out.
CREATE CHANGEFEED
  FOR TABLE request_info
  INTO 'kafka://kafka:9093?topic_name=acct-mgmt.new-request-events'
  WITH
    initial_scan      = 'no',
    envelope          = 'key_only',
    kafka_sink_config = '{"RequiredAcks": "ONE"}',
    cursor            = 'now()';

-- The same for production, in place of the feed above: ALL waits for all replicas in sync (min.insync.replicas = 2).
CREATE CHANGEFEED
  FOR TABLE request_info
  INTO 'kafka://kafka:9093?topic_name=acct-mgmt.new-request-events&tls_enabled=true&ca_cert=CA_CERT_BASE64&client_cert=CLIENT_CERT_BASE64&client_key=CLIENT_KEY_BASE64'
  WITH
    initial_scan             = 'no',
    envelope                 = 'key_only',
    cursor                   = 'now()',
    resolved                 = '10s',
    min_checkpoint_frequency = '10s',
    gc_protect_expires_after = '24h',
    on_error                 = 'pause',
    metrics_label            = 'new_request_keys',
    kafka_sink_config        = '{"RequiredAcks": "ALL", "Flush": {"Messages": 1000, "Frequency": "50ms"}}';

-- 2. Whole rows, in place of the feeds above. What the options are for, here and below:
--   updated, diff             the time of the commit, and the row as it was: the workers order by it, people read it
--   key_in_value              every column of the primary key, whatever keys the message
--   resolved                  "nothing older will come on this partition", every 10 s; needs checkpoints as often
--   gc_protect_expires_after  a feed that stands still keeps old versions of rows for a day, and no longer
--   on_error = 'pause'        a feed that fails waits for a person; 'fail' would have to be made anew by cursor
--   metrics_label             its own lag and errors in the metrics
--   RequiredAcks, Flush       no message is lost with one broker; at most 50 ms are waited for a batch
-- Keyed by the primary key, so that request_info and request_status_head agree about a request's partition.
CREATE CHANGEFEED
  FOR TABLE request_info
  INTO 'kafka://kafka:9093?topic_name=acct-mgmt.new-request-events&tls_enabled=true&ca_cert=CA_CERT_BASE64&client_cert=CLIENT_CERT_BASE64&client_key=CLIENT_KEY_BASE64'
  WITH
    envelope                 = 'wrapped',
    updated,
    diff,
    key_in_value,
    resolved                 = '10s',
    min_checkpoint_frequency = '10s',
    gc_protect_expires_after = '24h',
    on_error                 = 'pause',
    metrics_label            = 'new_requests',
    kafka_sink_config        = '{"RequiredAcks": "ALL", "Flush": {"Messages": 1000, "Frequency": "50ms"}}';

-- 3. Every step.
CREATE CHANGEFEED
  FOR TABLE request_status_head
  INTO 'kafka://kafka:9093?topic_name=acct-mgmt.request-status-events&tls_enabled=true&ca_cert=CA_CERT_BASE64&client_cert=CLIENT_CERT_BASE64&client_key=CLIENT_KEY_BASE64'
  WITH
    envelope                 = 'wrapped',
    updated,
    diff,
    key_in_value,
    resolved                 = '10s',
    min_checkpoint_frequency = '10s',
    gc_protect_expires_after = '24h',
    on_error                 = 'pause',
    metrics_label            = 'request_status',
    kafka_sink_config        = '{"RequiredAcks": "ALL", "Flush": {"Messages": 1000, "Frequency": "50ms"}}';

-- 4. What the outside world says. Its primary key ends with signal_id, so the message is keyed by key_column; that asks
-- for `unordered`, which excludes `resolved`. Every row is written once, so there is no order to lose.
CREATE CHANGEFEED
  FOR TABLE request_signal
  INTO 'kafka://kafka:9093?topic_name=acct-mgmt.request-signals&tls_enabled=true&ca_cert=CA_CERT_BASE64&client_cert=CLIENT_CERT_BASE64&client_key=CLIENT_KEY_BASE64'
  WITH
    envelope                 = 'wrapped',
    updated,
    diff,
    key_in_value,
    key_column               = 'request_id',
    unordered,
    min_checkpoint_frequency = '10s',
    gc_protect_expires_after = '24h',
    on_error                 = 'pause',
    metrics_label            = 'request_signals',
    kafka_sink_config        = '{"RequiredAcks": "ALL", "Flush": {"Messages": 1000, "Frequency": "50ms"}}';

-- 5. The whole history, for archives and dashboards; the workers do not read it. Keyed as the signals; seq_num orders.
CREATE CHANGEFEED
  FOR TABLE request_event_log
  INTO 'kafka://kafka:9093?topic_name=acct-mgmt.request-event-log&tls_enabled=true&ca_cert=CA_CERT_BASE64&client_cert=CLIENT_CERT_BASE64&client_key=CLIENT_KEY_BASE64'
  WITH
    envelope                 = 'wrapped',
    updated,
    diff,
    key_in_value,
    key_column               = 'request_id',
    unordered,
    min_checkpoint_frequency = '30s',
    gc_protect_expires_after = '24h',
    on_error                 = 'pause',
    metrics_label            = 'request_event_log',
    kafka_sink_config        = '{"RequiredAcks": "ALL", "Compression": "ZSTD", "Flush": {"Messages": 1000, "Frequency": "200ms"}}';

-- 6. Running feeds: which there are, how far they have come, stopping one and letting it go on from where it was.
SHOW CHANGEFEED JOBS;

SELECT job_id, status, high_water_timestamp, readable_high_water_timestamptz, error
  FROM [SHOW CHANGEFEED JOBS]
 ORDER BY job_id;

PAUSE JOB 1;

RESUME JOB 1;

-- 7. Replay from a point in time. A feed's cursor cannot be moved back: it is cancelled and made anew.
--   a. Read how far it has come: the HLC `high_water_timestamp`, e.g. 1701102296662969433.0000000000.
--   b. Cancel it. c. Create it again with the same topic and options, and cursor = that HLC, or an earlier one, no older
--      than gc.ttlseconds of the table (4 hours) or what gc_protect_expires_after still keeps.
-- Everything since then is sent again; what was done already is recognised by the workers.
SHOW CHANGEFEED JOB 1;

CANCEL JOB 1;

CREATE CHANGEFEED
  FOR TABLE request_status_head
  INTO 'kafka://kafka:9093?topic_name=acct-mgmt.request-status-events&tls_enabled=true&ca_cert=CA_CERT_BASE64&client_cert=CLIENT_CERT_BASE64&client_key=CLIENT_KEY_BASE64'
  WITH
    cursor                   = 'HLC',
    envelope                 = 'wrapped',
    updated,
    diff,
    key_in_value,
    resolved                 = '10s',
    min_checkpoint_frequency = '10s',
    gc_protect_expires_after = '24h',
    on_error                 = 'pause',
    metrics_label            = 'request_status',
    kafka_sink_config        = '{"RequiredAcks": "ALL", "Flush": {"Messages": 1000, "Frequency": "50ms"}}';
