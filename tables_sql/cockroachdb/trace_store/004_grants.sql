-- Events are written once: the application changes and removes none.
-- Checked: the grammar, by CockroachDB's own parser (25.2). Not checked: types, names and behaviour on a server.
GRANT SELECT ON TABLE event_logs, event_session_metrics, event_session_touched, event_session_refresh,
    event_logs_session_summary, event_logs_topic_performance TO streams_app, pgb, streams_readonly;

GRANT INSERT ON TABLE event_logs TO streams_app, pgb;

GRANT INSERT, UPDATE ON TABLE event_session_metrics, event_session_refresh TO streams_app, pgb;

GRANT INSERT, DELETE ON TABLE event_session_touched TO streams_app, pgb;
