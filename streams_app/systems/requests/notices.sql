-- name: tell
INSERT INTO request_notice (locality, request_id, status_id, event_id)
SELECT *
  FROM unnest(%(localities)s::int2[], %(request_ids)s::uuid[], %(status_ids)s::int4[], %(event_ids)s::text[]);
