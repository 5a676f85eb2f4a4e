-- name: progress
-- Requests of a region by the status of their head, and all steps so far.
SELECT (SELECT count(*) FROM request_info),
       count(*) FILTER (WHERE status_id = 1),
       count(*) FILTER (WHERE status_id = 2),
       count(*) FILTER (WHERE status_id = 3),
       count(*) FILTER (WHERE status_id = 4),
       count(*) FILTER (WHERE status_id = 5),
       coalesce(sum(seq_num), 0)::int8
  FROM request_status_head;
