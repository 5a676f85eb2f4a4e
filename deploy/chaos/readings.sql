-- name: waiting
-- Requests that have stood at an automatic step since before a moment: work that no worker has done since.
SELECT count(*)
  FROM request_status_head
 WHERE status_id IN (1, 2) AND action_state_link_id = ANY(%(links)s) AND event_ts <= %(before)s;

-- name: flows
-- Whether a request that was written after a moment has been moved on since: the whole path works.
SELECT EXISTS (
    SELECT FROM request_info i JOIN request_status_head h USING (locality, request_id)
     WHERE i.created_ts > %(since)s AND h.seq_num > 1);

-- name: open
-- Requests that have not ended, by step.
SELECT action_state_link_id, count(*)
  FROM request_status_head
 WHERE status_id IN (1, 2)
 GROUP BY 1
 ORDER BY 2 DESC;
