-- Static configuration: small, read-mostly, read without a round trip in every region.
-- Checked: the grammar, by CockroachDB's own parser (25.2). Not checked: types, names and behaviour on a server.
CREATE TABLE request_type (
    request_type_id   INT4 PRIMARY KEY,
    request_type_code STRING NOT NULL UNIQUE,
    description       STRING NOT NULL
) LOCALITY GLOBAL;

CREATE TABLE request_action_type (
    action_type_id INT4 PRIMARY KEY,
    action_code    STRING NOT NULL UNIQUE,
    description    STRING NOT NULL
) LOCALITY GLOBAL;

CREATE TABLE request_state (
    state_id    INT4 PRIMARY KEY,
    state_code  STRING NOT NULL UNIQUE,
    description STRING NOT NULL
) LOCALITY GLOBAL;

CREATE TABLE request_status (
    status_id   INT4 PRIMARY KEY,
    status_code STRING NOT NULL UNIQUE,
    description STRING NOT NULL
) LOCALITY GLOBAL;

-- The allowed (request type, action, state) combinations: the nodes of each workflow.
CREATE TABLE request_action_state_link (
    action_state_link_id INT8 PRIMARY KEY,
    request_type_id      INT4 NOT NULL REFERENCES request_type (request_type_id),
    action_type_id       INT4 NOT NULL REFERENCES request_action_type (action_type_id),
    state_id             INT4 NOT NULL REFERENCES request_state (state_id),
    is_initial           BOOL NOT NULL,
    is_terminal          BOOL NOT NULL,
    sort_order           INT4 NOT NULL,
    UNIQUE (request_type_id, action_type_id, state_id),
    INDEX request_action_state_link_order (request_type_id, action_type_id, sort_order)
        STORING (state_id, is_initial, is_terminal)
) LOCALITY GLOBAL;
