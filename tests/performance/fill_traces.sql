-- A store of one region as it is after sixty days: 2,000 sessions of 20 events, and one of 1,000 that goes on for eight
-- weeks, so that it lies in several months. Of every three events one asks, one answers, one tells how far things have come.
SET synchronous_commit = off;

INSERT INTO event_logs (region, event_id, session_id, correlation_id, parent_correlation_id, event_type, topic,
                        "timestamp", status, processing_time_ms, payload, metadata)
SELECT 'us-east', md5('e' || s || '-' || i)::uuid, md5('s' || s)::uuid,
       CASE WHEN i % 3 < 2 THEN md5('c' || s || '-' || i / 3)::uuid END,
       CASE WHEN i % 3 = 0 AND i % 12 > 0 THEN md5('c' || s || '-' || i / 3 - 1)::uuid END,
       (ARRAY['request', 'response', 'status'])[i % 3 + 1],
       CASE i % 3 WHEN 0 THEN 'omninode_codegen_request_' || action WHEN 1 THEN 'omninode_codegen_response_' || action
                  ELSE 'omninode_codegen_status_session_v1' END,
       CASE s WHEN 0 THEN now() - interval '57 days' + i * interval '80 minutes'
              ELSE now() - s * interval '42 minutes' + i * interval '2 seconds' END,
       CASE WHEN i % 3 = 0 THEN 'sent' WHEN i % 3 = 2 THEN 'processing' WHEN i % 60 = 1 THEN 'failed' ELSE 'completed' END,
       CASE WHEN i % 3 = 1 THEN (i * 7919 + s * 31) % 4000 END,
       jsonb_build_object('schema_version', '1.0', 'session_id', md5('s' || s)::uuid, 'number', s * 10000 + i,
                          'analysis_type', CASE i % 50 WHEN 0 THEN 'quick' ELSE 'full' END,
                          'prd_content', repeat(md5(s || '.' || i), 12)),
       jsonb_build_object('source', 'service-' || s % 5, 'destination', 'omniarchon', 'retries', i % 7,
                          'host', 'host-' || s % 500)
  FROM generate_series(0, 2000) AS s
 CROSS JOIN LATERAL generate_series(0, CASE s WHEN 0 THEN 999 ELSE 19 END) AS i
 CROSS JOIN LATERAL (SELECT (ARRAY['analyze_v1', 'validate_v1', 'pattern_v1', 'mixin_v1'])[i % 4 + 1] AS action) AS a;

INSERT INTO event_session_metrics (region, session_id, first_event_at, last_event_at, duration_ms, total_events, requests,
                                   responses, failed, correlations)
SELECT region, session_id, min("timestamp"), max("timestamp"), 0, count(*), 0, 0, 0, 0
  FROM event_logs
 GROUP BY region, session_id;
