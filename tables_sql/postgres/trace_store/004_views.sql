-- What dashboards ask for most: the last 24 hours, by session and by topic.
CREATE VIEW event_logs_session_summary AS
SELECT region,
       session_id,
       count(*)                                                       AS total_events,
       count(DISTINCT correlation_id)                                 AS unique_correlations,
       min("timestamp")                                               AS session_start,
       max("timestamp")                                               AS session_end,
       extract(epoch FROM max("timestamp") - min("timestamp")) * 1000 AS session_duration_ms,
       count(*) FILTER (WHERE event_type = 'response' AND status <> 'failed') AS successful_events,
       count(*) FILTER (WHERE status = 'failed')                      AS failed_events,
       avg(processing_time_ms)                                        AS avg_processing_time_ms
  FROM event_logs
 WHERE "timestamp" >= now() - interval '24 hours'
 GROUP BY region, session_id;

CREATE VIEW event_logs_topic_performance AS
SELECT region,
       topic,
       count(*)                                                              AS event_count,
       avg(processing_time_ms)                                               AS avg_processing_time_ms,
       max(processing_time_ms)                                               AS max_processing_time_ms,
       percentile_cont(0.95) WITHIN GROUP (ORDER BY processing_time_ms)      AS p95_processing_time_ms,
       count(*) FILTER (WHERE status = 'failed')                             AS failed_count,
       count(*) FILTER (WHERE event_type = 'response' AND status <> 'failed') AS success_count
  FROM event_logs
 WHERE "timestamp" >= now() - interval '24 hours'
 GROUP BY region, topic;
