-- name: publish
-- Keys first, in one order, so that two publishers of the same events never wait for each other in a circle; then the
-- rows of those that are new, numbered in the order given.
WITH e AS MATERIALIZED (
    SELECT *
      FROM unnest(%(event_ids)s::text[], %(topics)s::text[], %(keys)s::text[], %(types)s::text[], %(payloads)s::text[],
                  %(correlation_ids)s::text[], %(shards)s::int2[])
           WITH ORDINALITY AS e (event_id, topic, event_key, event_type, payload, correlation_id, shard, place)
), added AS (
    INSERT INTO event_production_key (region, event_id, digest)
    SELECT %(region)s, e.event_id, md5(e.payload::jsonb::text) FROM e ORDER BY e.event_id
        ON CONFLICT (region, event_id) DO NOTHING
    RETURNING event_id
)
INSERT INTO event_production_log (region, event_id, service_name, topic, event_key, event_type, payload,
                                  correlation_id, shard, max_retries)
SELECT %(region)s, e.event_id, %(service)s, e.topic, e.event_key, e.event_type, e.payload::jsonb, e.correlation_id,
       e.shard, %(max_retries)s
  FROM e
  JOIN added ON added.event_id = e.event_id
 ORDER BY e.place
RETURNING event_id;

-- name: find_conflicts
-- A statement of its own: it sees what another transaction committed while the first one waited for it.
SELECT e.event_id
  FROM unnest(%(event_ids)s::text[], %(payloads)s::text[]) AS e (event_id, payload)
  JOIN event_production_key k ON k.region = %(region)s AND k.event_id = e.event_id
 WHERE k.digest <> md5(e.payload::jsonb::text);
