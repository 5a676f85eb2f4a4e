-- The changefeeds of the requests system. Run by hand, once, as streams_replication; the topics have 24 partitions.
-- Checked: the grammar, by CockroachDB's own parser (25.2). Not checked: types, names and behaviour on a server.
-- Put the address of the brokers in place of kafka:9093, and the secrets of TLS or SASL into the URI.

-- By an administrator, once for the cluster.
SET CLUSTER SETTING kv.rangefeed.enabled = true;

-- New requests, keys alone: ["us-central", 11, "<request_id>"]. The workers read the row itself.
CREATE CHANGEFEED
  FOR TABLE request_info
  INTO 'kafka://kafka:9093?topic_name=acct-mgmt.new-request-events'
  WITH
    initial_scan      = 'no',
    envelope          = 'key_only',
    kafka_sink_config = '{"RequiredAcks": "ONE"}',
    cursor            = 'now()';

-- The same topic with whole rows: run it in place of the feed above, not beside it.
-- It keeps all changes of a request on one partition of every topic, and waits for all replicas.
CREATE CHANGEFEED
  FOR TABLE request_info
  INTO 'kafka://kafka:9093?topic_name=acct-mgmt.new-request-events'
  WITH
    envelope          = 'wrapped',
    updated,
    diff,
    key_column        = 'request_id',
    unordered,
    kafka_sink_config = '{"RequiredAcks": "ALL"}';

-- Every step. `unordered` is what key_column asks for: the workers order by seq_num.
CREATE CHANGEFEED
  FOR TABLE request_status_head
  INTO 'kafka://kafka:9093?topic_name=acct-mgmt.request-status-events'
  WITH
    envelope          = 'wrapped',
    updated,
    key_column        = 'request_id',
    unordered,
    kafka_sink_config = '{"RequiredAcks": "ALL"}';

-- What the outside world says.
CREATE CHANGEFEED
  FOR TABLE request_signal
  INTO 'kafka://kafka:9093?topic_name=acct-mgmt.request-signals'
  WITH
    envelope          = 'wrapped',
    updated,
    key_column        = 'request_id',
    unordered,
    kafka_sink_config = '{"RequiredAcks": "ALL"}';
