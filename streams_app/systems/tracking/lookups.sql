-- name: failed_produced
-- The newest events of a region that were given up, through the partial index of what is not done.
SELECT 'produced' AS side, region, event_id, service_name, topic, event_key, event_type, NULL AS consumer_group,
       partition_number, "offset", retry_count, error_message, correlation_id, created_at
  FROM event_production_log
 WHERE region = %(region)s AND status = 'FAILED' AND created_at >= %(since)s
   AND (%(topic)s::text IS NULL OR topic = %(topic)s)
   AND (%(service)s::text IS NULL OR service_name = %(service)s)
 ORDER BY created_at DESC
 LIMIT %(limit)s;

-- name: failed_consumed
SELECT 'consumed' AS side, region, event_id, service_name, topic, event_key, event_type, consumer_group,
       partition_number, "offset", retry_count, error_message, correlation_id, created_at
  FROM event_consumption_log
 WHERE region = %(region)s AND status = 'FAILED' AND created_at >= %(since)s
   AND (%(topic)s::text IS NULL OR topic = %(topic)s)
   AND (%(service)s::text IS NULL OR service_name = %(service)s)
 ORDER BY created_at DESC
 LIMIT %(limit)s;

-- name: production_keys
SELECT region, event_id, digest, created_at
  FROM event_production_key
 WHERE region = %(region)s AND event_id = %(event_id)s;

-- name: productions
SELECT region, event_id, service_name, topic, event_key, event_type, payload, status, retry_count, max_retries,
       error_message, correlation_id, partition_number, "offset", published_at, created_at, updated_at,
       next_attempt_at, metadata
  FROM event_production_log
 WHERE region = %(region)s AND event_id = %(event_id)s
 ORDER BY created_at;

-- name: consumption_keys
SELECT region, consumer_group, event_id, digest, created_at, processed_at
  FROM event_consumption_key
 WHERE region = %(region)s AND consumer_group = ANY(%(groups)s::text[]) AND event_id = %(event_id)s;

-- name: consumptions
SELECT region, event_id, service_name, topic, partition_number, "offset", consumer_group, event_type, event_key,
       payload, status, retry_count, max_retries, processing_time_ms, error_message, error_stack_trace,
       correlation_id, received_at, processed_at, created_at, updated_at, metadata
  FROM event_consumption_log
 WHERE region = %(region)s AND event_id = %(event_id)s
 ORDER BY created_at;

-- name: productions_of_correlation
SELECT region, event_id, service_name, topic, event_type, status, error_message, partition_number, "offset",
       created_at, published_at
  FROM event_production_log
 WHERE region = %(region)s AND correlation_id = %(correlation_id)s
 ORDER BY created_at
 LIMIT %(limit)s;

-- name: consumptions_of_correlation
SELECT region, event_id, service_name, topic, event_type, status, error_message, partition_number, "offset",
       consumer_group, received_at, processed_at, processing_time_ms
  FROM event_consumption_log
 WHERE region = %(region)s AND correlation_id = %(correlation_id)s
 ORDER BY received_at
 LIMIT %(limit)s;
