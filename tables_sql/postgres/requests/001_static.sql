-- Static configuration: small, read-mostly tables, filled from config/workflows.toml by `migrate`.
CREATE TABLE request_type (
    request_type_id   int4 PRIMARY KEY,
    request_type_code text NOT NULL UNIQUE,
    description       text NOT NULL
);

CREATE TABLE request_action_type (
    action_type_id int4 PRIMARY KEY,
    action_code    text NOT NULL UNIQUE,
    description    text NOT NULL
);

CREATE TABLE request_state (
    state_id    int4 PRIMARY KEY,
    state_code  text NOT NULL UNIQUE,
    description text NOT NULL
);

CREATE TABLE request_status (
    status_id   int4 PRIMARY KEY,
    status_code text NOT NULL UNIQUE,
    description text NOT NULL
);

-- The allowed (request type, action, state) combinations: the nodes of each workflow.
CREATE TABLE request_action_state_link (
    action_state_link_id int8 PRIMARY KEY,
    request_type_id      int4 NOT NULL REFERENCES request_type,
    action_type_id       int4 NOT NULL REFERENCES request_action_type,
    state_id             int4 NOT NULL REFERENCES request_state,
    is_initial           bool NOT NULL,
    is_terminal          bool NOT NULL,
    sort_order           int4 NOT NULL,
    UNIQUE (request_type_id, action_type_id, state_id)
);

CREATE INDEX request_action_state_link_order
    ON request_action_state_link (request_type_id, action_type_id, sort_order)
    INCLUDE (state_id, is_initial, is_terminal);
