-- Events are written once: the application changes and removes none.
GRANT SELECT ON event_logs, event_session_metrics, event_session_touched, event_session_refresh,
    event_logs_session_summary, event_logs_topic_performance TO streams_app, streams_readonly;

GRANT INSERT ON event_logs TO streams_app;

GRANT INSERT, UPDATE ON event_session_metrics, event_session_refresh TO streams_app;

GRANT INSERT, DELETE ON event_session_touched TO streams_app;
