-- Both logs of one region as they are after forty days: 1,000 events a day, 20,000 of today, one in 500 failed, twenty
-- open.
SET synchronous_commit = off;

DO $$
DECLARE
    log  text;
    day  date;
    name text;
BEGIN
    FOREACH log IN ARRAY ARRAY['event_production_log', 'event_consumption_log'] LOOP
        FOR day IN SELECT (now() AT TIME ZONE 'utc')::date - n FROM generate_series(2, 40) n LOOP
            name := log || '_' || to_char(day, 'YYYYMMDD');
            EXECUTE format('CREATE TABLE %I PARTITION OF %I FOR VALUES FROM (%L) TO (%L)', name, log,
                           day::text || ' 00:00:00+00', (day + 1)::text || ' 00:00:00+00');
        END LOOP;
    END LOOP;
END
$$;

CREATE TEMP TABLE plan AS
SELECT n, i, 'e' || n || '-' || i AS event_id, 'k' || i % 500 AS event_key, 'c' || n || '-' || i / 4 AS correlation_id,
       n = 0 AND i > 19980 AS is_open, i % 500 = 0 AS is_failed, n * 20000 + i AS place,
       CASE WHEN n = 0 THEN today + i * (now() - today) / 20000
            ELSE today - n * interval '1 day' + i * interval '80 seconds' END AS created_at
  FROM date_trunc('day', now(), 'UTC') AS today
 CROSS JOIN generate_series(40, 0, -1) n
 CROSS JOIN LATERAL generate_series(1, CASE WHEN n = 0 THEN 20000 ELSE 1000 END) i;

INSERT INTO event_production_log (region, event_id, service_name, topic, event_key, event_type, payload, status,
                                  error_message, correlation_id, partition_number, "offset", published_at, created_at,
                                  shard)
SELECT 'us-east', event_id, 's' || i % 3, 't' || i % 5, event_key, 'TYPE', '{"a": 1}',
       CASE WHEN is_open THEN 'PENDING' WHEN is_failed THEN 'FAILED' ELSE 'PUBLISHED' END,
       CASE WHEN is_failed THEN 'x' END, correlation_id, i % 24, place, created_at + interval '50 ms', created_at,
       i % 16
  FROM plan;

INSERT INTO event_production_key (region, event_id, created_at, digest)
SELECT 'us-east', event_id, created_at, md5(event_id) FROM plan;

INSERT INTO event_consumption_log (region, event_id, service_name, topic, partition_number, "offset", consumer_group,
                                   event_type, event_key, payload, status, error_message, correlation_id, received_at,
                                   processed_at, processing_time_ms, created_at)
SELECT 'us-east', event_id, 's' || i % 3, 't' || i % 5, i % 24, place, 'g', 'TYPE', event_key, '{"a": 1}',
       CASE WHEN is_open THEN 'RECEIVED' WHEN is_failed THEN 'FAILED' ELSE 'PROCESSED' END,
       CASE WHEN is_failed THEN 'x' END, correlation_id, created_at, created_at, 7, created_at
  FROM plan;

INSERT INTO event_consumption_key (region, consumer_group, event_id, created_at, digest, processed_at)
SELECT 'us-east', 'g', event_id, created_at, md5(event_id), created_at FROM plan;
