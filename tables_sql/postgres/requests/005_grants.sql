-- The application has no DDL, and can neither change nor remove a row of an append-only table.
GRANT USAGE ON SCHEMA public TO streams_app, streams_readonly, streams_replication;

GRANT SELECT ON ALL TABLES IN SCHEMA public TO streams_app, streams_readonly, streams_replication;

GRANT INSERT ON account_info, account_number_claim, request_info, request_account_link, trade_info,
    request_event_log, request_status_head, request_signal TO streams_app;

GRANT UPDATE ON account_info, request_info, trade_info, request_status_head TO streams_app;

GRANT INSERT, UPDATE ON debezium_heartbeat TO streams_replication;
