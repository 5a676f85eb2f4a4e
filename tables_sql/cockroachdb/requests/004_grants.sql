-- The application has no DDL, and can neither change nor remove a row of an append-only table.
-- Checked: the grammar, by CockroachDB's own parser (25.2). Not checked: types, names and behaviour on a server.
-- pgb, the pooler's user, has the rights of streams_app and no more. A blanket grant of UPDATE and DELETE on every table
-- would be simpler; but then one wrong statement could rewrite the log that everything is proved from.
GRANT USAGE ON SCHEMA public TO streams_app, pgb, streams_readonly, streams_replication;

GRANT SELECT ON TABLE request_type, request_action_type, request_state, request_status, request_action_state_link,
    account_info, account_number_claim, request_info, request_account_link, trade_info, request_event_log,
    request_status_head, request_signal TO streams_app, pgb, streams_readonly, streams_replication;

GRANT INSERT ON TABLE account_info, account_number_claim, request_info, request_account_link, trade_info,
    request_event_log, request_status_head, request_signal TO streams_app, pgb;

GRANT UPDATE ON TABLE account_info, request_info, trade_info, request_status_head TO streams_app, pgb;

-- Which files were applied; `migrate` makes this table before the first of them.
GRANT SELECT ON TABLE schema_migration TO streams_app, pgb, streams_readonly;

-- The log feeds dashboards and archives; the workers take the other three.
GRANT CHANGEFEED ON TABLE request_info, request_status_head, request_event_log, request_signal TO streams_replication;
