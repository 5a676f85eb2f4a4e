-- The parts of every way to write a batch: rows of the log, whose repetition is harmless, and heads, which never move
-- back. `insert_heads` reads `given`: a staged table, or what a WITH clause in front of it calls so.

-- name: insert_heads
INSERT INTO status_head AS head
SELECT DISTINCT ON (locality, request_id) locality, request_id, seq_num, action_state_link_id, status_id, event_ts
  FROM given
 ORDER BY locality, request_id, seq_num DESC
    ON CONFLICT (locality, request_id) DO UPDATE
   SET (seq_num, action_state_link_id, status_id, event_ts)
     = ROW (excluded.seq_num, excluded.action_state_link_id, excluded.status_id, excluded.event_ts)
 WHERE head.seq_num < excluded.seq_num;

-- name: insert_log
INSERT INTO status_log SELECT * FROM given ON CONFLICT DO NOTHING;

-- name: with_log
WITH logged AS (
    INSERT INTO status_log SELECT * FROM given ON CONFLICT DO NOTHING
);

-- name: with_values
WITH given AS (
    SELECT %s::int2 AS locality, %s::uuid AS request_id, %s::int8 AS seq_num, %s::int8 AS action_state_link_id,
           %s::int4 AS status_id, %s::timestamptz AS event_ts, %s::text AS actor, %s::jsonb AS metadata,
           %s::text AS idempotency_key
), logged AS (
    INSERT INTO status_log SELECT * FROM given ON CONFLICT DO NOTHING
);

-- name: with_arrays
WITH given AS (
    SELECT *
      FROM unnest(%s::int2[], %s::uuid[], %s::int8[], %s::int8[], %s::int4[], %s::timestamptz[], %s::text[],
                  %s::jsonb[], %s::text[])
           AS k (locality, request_id, seq_num, action_state_link_id, status_id, event_ts, actor, metadata,
                 idempotency_key)
), logged AS (
    INSERT INTO status_log SELECT * FROM given ON CONFLICT DO NOTHING
);

-- name: with_kept
WITH given AS NOT MATERIALIZED (
    SELECT * FROM given_kept
), logged AS (
    INSERT INTO status_log SELECT * FROM given ON CONFLICT DO NOTHING
);

-- name: with_text
WITH given AS MATERIALIZED (
    SELECT locality, request_id::uuid, seq_num, action_state_link_id, status_id, event_ts::timestamptz, actor,
           metadata::jsonb, idempotency_key
      FROM given_text
), logged AS (
    INSERT INTO status_log SELECT * FROM given ON CONFLICT DO NOTHING
);

-- name: stage
CREATE TEMPORARY TABLE given (
    locality int2, request_id uuid, seq_num int8, action_state_link_id int8, status_id int4, event_ts timestamptz,
    actor text, metadata jsonb, idempotency_key text
) ON COMMIT DROP;

-- Stays with the server's connection from transaction to transaction, whoever has it; emptied at each commit.
-- name: stage_kept
CREATE TEMPORARY TABLE IF NOT EXISTS given_kept (
    locality int2, request_id uuid, seq_num int8, action_state_link_id int8, status_id int4, event_ts timestamptz,
    actor text, metadata jsonb, idempotency_key text
) ON COMMIT DELETE ROWS;

-- Binary COPY converts nothing: what comes as text is made a uuid, a time and JSON by the statement after it.
-- name: stage_text
CREATE TEMPORARY TABLE given_text (
    locality int2, request_id text, seq_num int8, action_state_link_id int8, status_id int4, event_ts text,
    actor text, metadata text, idempotency_key text
) ON COMMIT DROP;

-- name: copy
COPY given FROM STDIN;

-- name: copy_kept
COPY given_kept FROM STDIN;

-- name: copy_text
COPY given_text FROM STDIN (FORMAT binary);

-- name: empty
TRUNCATE status_log, status_head;

-- What is wrong after a run: rows of the log too few or too many, heads that are not their key's last row.
-- name: wrong
SELECT (SELECT count(*) FROM status_log) - %(changes)s AS log_rows,
       (SELECT count(*) FROM status_head) - %(keys)s AS heads,
       (SELECT count(*)
          FROM status_head h
          LEFT JOIN (SELECT DISTINCT ON (locality, request_id) * FROM status_log
                      ORDER BY locality, request_id, seq_num DESC) l
            ON l.locality = h.locality AND l.request_id = h.request_id
         WHERE (h.seq_num, h.action_state_link_id, h.status_id, h.event_ts)
               IS DISTINCT FROM (l.seq_num, l.action_state_link_id, l.status_id, l.event_ts)
            OR h.seq_num <> %(last)s) AS wrong_heads;
