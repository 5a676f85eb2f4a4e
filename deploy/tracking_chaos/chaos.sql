-- name: number
-- The next number of each key. Keys ascend, so that two writers never wait for each other in a circle.
INSERT INTO chaos_head AS h (key, seq)
SELECT k, 1 FROM unnest(%(keys)s::text[]) AS k ORDER BY k
    ON CONFLICT (key) DO UPDATE SET seq = h.seq + 1
RETURNING key, seq;

-- name: write_facts
INSERT INTO chaos_fact (key, seq, event_id)
SELECT * FROM unnest(%(keys)s::text[], %(seqs)s::int8[], %(event_ids)s::text[]);

-- name: count_facts
SELECT count(*) FROM chaos_fact;

-- name: make_effects
INSERT INTO chaos_effect (consumer_group, key, event_id)
SELECT %(group)s, e.key, e.event_id
  FROM unnest(%(keys)s::text[], %(event_ids)s::text[]) WITH ORDINALITY AS e (key, event_id, place)
 ORDER BY e.place;

-- name: progress
SELECT (SELECT count(*) FROM chaos_fact),
       (SELECT count(*) FROM event_production_log WHERE region = %(region)s AND status = 'PUBLISHED'),
       (SELECT count(*) FROM event_consumption_log WHERE region = %(region)s AND status = 'PROCESSED');

-- name: facts
SELECT key, event_id FROM chaos_fact ORDER BY key, seq;

-- name: effects
SELECT consumer_group, key, event_id FROM chaos_effect ORDER BY id;
