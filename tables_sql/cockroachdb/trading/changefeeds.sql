-- What carries events of orders to their topic, in Debezium's place. Run by hand, as streams_replication.
-- Checked: the grammar, by CockroachDB's own parser (25.2). Not checked: types, names and behaviour on a server.
-- Placeholders: kafka:9093, and the three certificates of the URI.

-- By an administrator, once for the cluster.
SET CLUSTER SETTING kv.rangefeed.enabled = true;

-- Events, whole, keyed by their order. The executor reads this envelope as well as that of Debezium's EventRouter: the
-- event's id, type and time are columns here, and headers there. Rows that the server removes are no events.
CREATE CHANGEFEED
  INTO 'kafka://kafka:9093?topic_name=trading.orders&tls_enabled=true&ca_cert=CA_CERT_BASE64&client_cert=CLIENT_CERT_BASE64&client_key=CLIENT_KEY_BASE64'
  WITH
    initial_scan             = 'yes',
    envelope                 = 'wrapped',
    updated,
    diff,
    key_column               = 'aggregate_id',
    unordered,
    min_checkpoint_frequency = '10s',
    gc_protect_expires_after = '24h',
    on_error                 = 'pause',
    metrics_label            = 'orders',
    kafka_sink_config        = '{"RequiredAcks": "ALL", "Flush": {"Messages": 1000, "Frequency": "50ms"}}'
  AS SELECT event_id, aggregate_type, aggregate_id, type, payload, occurred_at, region
       FROM app.outbox
      WHERE event_op() = 'insert';
