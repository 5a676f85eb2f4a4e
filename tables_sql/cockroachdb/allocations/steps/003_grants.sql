-- The application writes both logs and removes nothing from them; the owner removes days that are archived.
-- Checked: the grammar, by CockroachDB's own parser (25.2). Not checked: types, names and behaviour on a server.
GRANT SELECT ON TABLE event_production_key, event_production_log, event_relay, event_relay_shard, event_consumption_key,
    event_consumption_log TO streams_app, streams_readonly;

GRANT INSERT, UPDATE ON TABLE event_production_key, event_production_log, event_relay, event_relay_shard,
    event_consumption_key, event_consumption_log TO streams_app;

-- Relays that died are forgotten.
GRANT DELETE ON TABLE event_relay TO streams_app;

-- The numbers of the logs' rows.
GRANT USAGE ON SEQUENCE event_production_log_id_seq, event_consumption_log_id_seq TO streams_app;

-- The other way to the topics needs the log of what is published, and nothing else.
GRANT SELECT, CHANGEFEED ON TABLE event_production_log TO streams_replication;
