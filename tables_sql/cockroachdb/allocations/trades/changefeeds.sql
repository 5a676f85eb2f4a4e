-- What carries executions to their topic, in Debezium's place. Run by hand in the database trades, as
-- streams_replication.
-- Checked: the grammar, by CockroachDB's own parser (25.2), and the names of options. Not checked: behaviour on a server.
-- Placeholders: kafka:9093, and the three certificates of the URI.

-- By an administrator, once for the cluster.
SET CLUSTER SETTING kv.rangefeed.enabled = true;

-- Keyed by the block order alone: capture puts the executions of one in their sequence, so `unordered` loses nothing.
CREATE CHANGEFEED
  FOR TABLE trades.execution
  INTO 'kafka://kafka:9093?topic_name=allocations.executions&tls_enabled=true&ca_cert=CA_CERT_BASE64&client_cert=CLIENT_CERT_BASE64&client_key=CLIENT_KEY_BASE64'
  WITH
    envelope                 = 'wrapped',
    updated,
    diff,
    key_in_value,
    key_column               = 'block_order_id',
    unordered,
    min_checkpoint_frequency = '10s',
    gc_protect_expires_after = '24h',
    on_error                 = 'pause',
    metrics_label            = 'executions',
    kafka_sink_config        = '{"RequiredAcks": "ALL", "Flush": {"Messages": 1000, "Frequency": "50ms"}}';
