-- The application has no DDL, and can neither change nor remove a row of an append-only table.
-- Checked: the grammar, by CockroachDB's own parser (25.2). Not checked: types, names and behaviour on a server.
GRANT USAGE ON SCHEMA public TO streams_app, streams_readonly, streams_replication;

GRANT SELECT ON TABLE request_type, request_action_type, request_state, request_status, request_action_state_link,
    account_info, request_info, request_account_link, trade_info, request_event_log, request_status_head,
    request_signal TO streams_app, streams_readonly, streams_replication;

GRANT INSERT ON TABLE account_info, request_info, request_account_link, trade_info, request_event_log,
    request_status_head, request_signal TO streams_app;

GRANT UPDATE ON TABLE account_info, request_info, trade_info, request_status_head TO streams_app;

GRANT CHANGEFEED ON TABLE request_info, request_status_head, request_signal TO streams_replication;
