-- name: empty
TRUNCATE request_info, request_event_log, request_status_head, request_signal;

-- name: fill
-- Requests with a first event and a head, in turns over the localities of a region.
WITH wanted AS (
    SELECT (%(first)s + i %% (%(last)s - %(first)s + 1))::int2 AS locality, md5('request-' || i)::uuid AS request_id
      FROM generate_series(1, %(requests)s) i),
info AS (
    INSERT INTO request_info (locality, request_id, request_type_id, primary_account_id, requested_by, request_status_id)
    SELECT locality, request_id, %(type)s, md5('account-' || request_id)::uuid, 'benchmark', 2 FROM wanted),
event AS (
    INSERT INTO request_event_log (locality, request_id, seq_num, action_state_link_id, status_id, event_ts, actor,
                                   idempotency_key)
    SELECT locality, request_id, 1, %(link)s, 2, now(), 'benchmark', 'step-1' FROM wanted)
INSERT INTO request_status_head (locality, request_id, action_state_link_id, status_id, event_ts, seq_num)
SELECT locality, request_id, %(link)s, 2, now(), 1 FROM wanted;

-- name: keys
SELECT locality, request_id FROM request_status_head ORDER BY request_id;

-- name: wrong
-- Requests whose log has a gap or a double, or whose head is not their last event; and all steps after the first.
SELECT count(*) FILTER (WHERE l.events <> l.last OR l.first <> 1),
       count(*) FILTER (WHERE (h.seq_num, h.action_state_link_id, h.event_ts)
                              IS DISTINCT FROM (e.seq_num, e.action_state_link_id, e.event_ts)),
       coalesce(sum(h.seq_num - 1), 0)::int8
  FROM request_status_head h
  JOIN (SELECT locality, request_id, count(*) AS events, min(seq_num) AS first, max(seq_num) AS last
          FROM request_event_log
         GROUP BY locality, request_id) l USING (locality, request_id)
  JOIN request_event_log e ON e.locality = h.locality AND e.request_id = h.request_id AND e.seq_num = l.last;
