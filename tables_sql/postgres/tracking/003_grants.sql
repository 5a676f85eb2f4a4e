GRANT SELECT ON event_production_key, event_production_log, event_relay, event_relay_shard, event_consumption_key,
    event_consumption_log TO streams_app, streams_readonly, streams_replication;

GRANT INSERT, UPDATE ON event_production_key, event_production_log, event_relay, event_relay_shard,
    event_consumption_key, event_consumption_log TO streams_app;

-- Relays that died are forgotten.
GRANT DELETE ON event_relay TO streams_app;
