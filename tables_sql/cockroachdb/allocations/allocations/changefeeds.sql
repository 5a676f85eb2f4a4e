-- What carries the events of allocations' steps to their topics, in Debezium's place. Run by hand in the database allocations, as
-- streams_replication. One for each topic: a changefeed has one topic. Nobody needs the order of a key's events.
-- Checked: the grammar, by CockroachDB's own parser (25.2), and the names of options. Not checked: behaviour on a server.
-- Placeholders: kafka:9093, and the three certificates of the URI.

-- By an administrator, once for the cluster.
SET CLUSTER SETTING kv.rangefeed.enabled = true;

CREATE CHANGEFEED
  INTO 'kafka://kafka:9093?topic_name=allocations.parts&tls_enabled=true&ca_cert=CA_CERT_BASE64&client_cert=CLIENT_CERT_BASE64&client_key=CLIENT_KEY_BASE64'
  WITH
    initial_scan             = 'yes',
    envelope                 = 'wrapped',
    updated,
    diff,
    key_column               = 'event_key',
    unordered,
    min_checkpoint_frequency = '10s',
    gc_protect_expires_after = '24h',
    on_error                 = 'pause',
    metrics_label            = 'steps',
    kafka_sink_config        = '{"RequiredAcks": "ALL", "Flush": {"Messages": 1000, "Frequency": "50ms"}}'
  AS SELECT event_id, event_key, event_type, service_name, correlation_id, payload, created_at
       FROM event_production_log
      WHERE topic = 'allocations.parts' AND event_op() = 'insert';

CREATE CHANGEFEED
  INTO 'kafka://kafka:9093?topic_name=allocations.bookings&tls_enabled=true&ca_cert=CA_CERT_BASE64&client_cert=CLIENT_CERT_BASE64&client_key=CLIENT_KEY_BASE64'
  WITH
    initial_scan             = 'yes',
    envelope                 = 'wrapped',
    updated,
    diff,
    key_column               = 'event_key',
    unordered,
    min_checkpoint_frequency = '10s',
    gc_protect_expires_after = '24h',
    on_error                 = 'pause',
    metrics_label            = 'steps',
    kafka_sink_config        = '{"RequiredAcks": "ALL", "Flush": {"Messages": 1000, "Frequency": "50ms"}}'
  AS SELECT event_id, event_key, event_type, service_name, correlation_id, payload, created_at
       FROM event_production_log
      WHERE topic = 'allocations.bookings' AND event_op() = 'insert';

CREATE CHANGEFEED
  INTO 'kafka://kafka:9093?topic_name=allocations.closed&tls_enabled=true&ca_cert=CA_CERT_BASE64&client_cert=CLIENT_CERT_BASE64&client_key=CLIENT_KEY_BASE64'
  WITH
    initial_scan             = 'yes',
    envelope                 = 'wrapped',
    updated,
    diff,
    key_column               = 'event_key',
    unordered,
    min_checkpoint_frequency = '10s',
    gc_protect_expires_after = '24h',
    on_error                 = 'pause',
    metrics_label            = 'steps',
    kafka_sink_config        = '{"RequiredAcks": "ALL", "Flush": {"Messages": 1000, "Frequency": "50ms"}}'
  AS SELECT event_id, event_key, event_type, service_name, correlation_id, payload, created_at
       FROM event_production_log
      WHERE topic = 'allocations.closed' AND event_op() = 'insert';

CREATE CHANGEFEED
  INTO 'kafka://kafka:9093?topic_name=allocations.closings&tls_enabled=true&ca_cert=CA_CERT_BASE64&client_cert=CLIENT_CERT_BASE64&client_key=CLIENT_KEY_BASE64'
  WITH
    initial_scan             = 'yes',
    envelope                 = 'wrapped',
    updated,
    diff,
    key_column               = 'event_key',
    unordered,
    min_checkpoint_frequency = '10s',
    gc_protect_expires_after = '24h',
    on_error                 = 'pause',
    metrics_label            = 'steps',
    kafka_sink_config        = '{"RequiredAcks": "ALL", "Flush": {"Messages": 1000, "Frequency": "50ms"}}'
  AS SELECT event_id, event_key, event_type, service_name, correlation_id, payload, created_at
       FROM event_production_log
      WHERE topic = 'allocations.closings' AND event_op() = 'insert';
