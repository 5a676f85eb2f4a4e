-- name: upsert_statuses
INSERT INTO request_status (status_id, status_code, description) VALUES (%s, %s, %s)
    ON CONFLICT (status_id) DO UPDATE SET status_code = excluded.status_code, description = excluded.description;

-- name: upsert_actions
INSERT INTO request_action_type (action_type_id, action_code, description) VALUES (%s, %s, %s)
    ON CONFLICT (action_type_id) DO UPDATE SET action_code = excluded.action_code, description = excluded.description;

-- name: upsert_states
INSERT INTO request_state (state_id, state_code, description) VALUES (%s, %s, %s)
    ON CONFLICT (state_id) DO UPDATE SET state_code = excluded.state_code, description = excluded.description;

-- name: upsert_types
INSERT INTO request_type (request_type_id, request_type_code, description) VALUES (%s, %s, %s)
    ON CONFLICT (request_type_id)
    DO UPDATE SET request_type_code = excluded.request_type_code, description = excluded.description;

-- name: upsert_links
INSERT INTO request_action_state_link (action_state_link_id, request_type_id, action_type_id, state_id, is_initial,
                                       is_terminal, sort_order)
VALUES (%s, %s, %s, %s, %s, %s, %s)
    ON CONFLICT (action_state_link_id)
    DO UPDATE SET is_initial = excluded.is_initial, is_terminal = excluded.is_terminal,
                  sort_order = excluded.sort_order
    WHERE request_action_state_link.request_type_id = excluded.request_type_id
      AND request_action_state_link.action_type_id = excluded.action_type_id
      AND request_action_state_link.state_id = excluded.state_id;

-- name: read_links
SELECT action_state_link_id, request_type_id, action_type_id, state_id, is_initial, is_terminal, sort_order
  FROM request_action_state_link;
