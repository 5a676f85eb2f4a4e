-- name: look
-- The chain of some exchanges as far as this region knows it: its events, those of the nearest hops first, oldest first;
-- and, without an event's id, every exchange of the chain with its hop, one hop beyond the last that is asked for.
-- Causes of causes have hops below 0, what followed from what followed above. A chain that leads back to itself ends at
-- the last hop.
WITH RECURSIVE chain AS (
    SELECT k.id, k.hop FROM unnest(%(ids)s::uuid[], %(hops)s::int4[]) AS k (id, hop)
     UNION
    SELECT n.id, n.hop
      FROM chain c
     CROSS JOIN LATERAL (
        SELECT l.parent_correlation_id AS id, c.hop - 1 AS hop
          FROM event_logs l
         WHERE c.hop <= 0 AND c.hop >= -%(most)s AND l.region = %(region)s AND l.correlation_id = c.id
           AND l.parent_correlation_id IS NOT NULL
         UNION ALL
        SELECT l.correlation_id, c.hop + 1
          FROM event_logs l
         WHERE c.hop >= 0 AND c.hop <= %(most)s AND l.region = %(region)s AND l.parent_correlation_id = c.id
           AND l.correlation_id IS NOT NULL
     ) AS n
), known AS MATERIALIZED (
    -- No more are looked for than may be told of.
    SELECT id, hop FROM chain LIMIT %(exchanges)s
), near AS MATERIALIZED (
    SELECT id, min(abs(hop)) AS distance FROM known WHERE abs(hop) <= %(most)s GROUP BY id
), page AS (
    SELECT l.event_id, l.session_id, l.correlation_id, l.parent_correlation_id, l.event_type, l.topic, l."timestamp",
           l.status, l.processing_time_ms, l.payload, l.metadata, near.distance
      FROM near
     CROSS JOIN LATERAL (SELECT * FROM event_logs WHERE region = %(region)s AND correlation_id = near.id) AS l
     ORDER BY near.distance, l."timestamp", l.event_id
     LIMIT %(limit)s
), measured AS (
    SELECT page.*, sum(pg_column_size(payload)) OVER (ORDER BY distance, "timestamp", event_id
                                                       ROWS UNBOUNDED PRECEDING) AS held
      FROM page
)
SELECT event_id, session_id, correlation_id, parent_correlation_id, event_type, topic, "timestamp", status,
       processing_time_ms, payload::text, metadata::text, distance, NULL::int4 AS hop, held
  FROM measured
 WHERE held - pg_column_size(payload) < %(bytes)s
 UNION ALL
SELECT NULL, NULL, id, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, hop, NULL FROM known
 ORDER BY distance NULLS LAST, "timestamp", event_id;
