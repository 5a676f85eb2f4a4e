-- The other way to the topics, in place of the workers' relay (tracking.delivery). Run by hand, as streams_replication.
-- Checked: the grammar, by CockroachDB's own parser (25.2), and the names of options. Not checked: behaviour on a server.
-- Placeholders: kafka:9093, the three certificates of the URI, and the topics.
-- A changefeed has one topic, so there is one for each topic that events are published to. It knows no order of the
-- events of a key: they are rows of their own, and `unordered` is what key_column asks for. Where the order matters,
-- leave the delivery to the relay.

-- By an administrator, once for the cluster.
SET CLUSTER SETTING kv.rangefeed.enabled = true;

-- 1. New events of one topic, whole, keyed as the relay keys them. Updates are the relay's notes, and no events; `diff`
-- is what tells them from new rows.
CREATE CHANGEFEED
  INTO 'kafka://kafka:9093?topic_name=TOPIC&tls_enabled=true&ca_cert=CA_CERT_BASE64&client_cert=CLIENT_CERT_BASE64&client_key=CLIENT_KEY_BASE64'
  WITH
    initial_scan             = 'no',
    envelope                 = 'wrapped',
    updated,
    diff,
    key_column               = 'event_key',
    unordered,
    min_checkpoint_frequency = '10s',
    gc_protect_expires_after = '24h',
    on_error                 = 'pause',
    metrics_label            = 'events',
    kafka_sink_config        = '{"RequiredAcks": "ALL", "Flush": {"Messages": 1000, "Frequency": "50ms"}}'
  AS SELECT event_id, event_key, event_type, service_name, correlation_id, payload, created_at
       FROM event_production_log
      WHERE topic = 'TOPIC' AND event_op() = 'insert';

-- 2. The whole log with every change of it, for archives and dashboards. The workers do not read it.
CREATE CHANGEFEED
  FOR TABLE event_production_log
  INTO 'kafka://kafka:9093?topic_name=tracking.event-production-log&tls_enabled=true&ca_cert=CA_CERT_BASE64&client_cert=CLIENT_CERT_BASE64&client_key=CLIENT_KEY_BASE64'
  WITH
    initial_scan             = 'no',
    envelope                 = 'wrapped',
    updated,
    key_in_value,
    key_column               = 'event_id',
    unordered,
    min_checkpoint_frequency = '30s',
    gc_protect_expires_after = '24h',
    on_error                 = 'pause',
    metrics_label            = 'event_production_log',
    kafka_sink_config        = '{"RequiredAcks": "ALL", "Compression": "ZSTD", "Flush": {"Messages": 1000, "Frequency": "200ms"}}';
