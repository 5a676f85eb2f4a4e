-- name: claim
-- Take partitions in the name of a generation; a higher one that is there already stays, and is not returned.
INSERT INTO delivery_fence AS f (region, consumer_group, topic, partition, generation)
SELECT %(region)s, %(group)s, k.topic, k.partition, %(generation)s
  FROM unnest(%(topics)s::text[], %(partitions)s::int4[]) AS k (topic, partition)
 ORDER BY k.topic, k.partition
    ON CONFLICT (region, consumer_group, topic, partition) DO UPDATE SET generation = excluded.generation
 WHERE f.generation <= excluded.generation
RETURNING f.topic, f.partition, f.epoch;

-- name: hold
-- Which of the claims still stand; they stand until the transaction ends.
SELECT f.topic, f.partition
  FROM unnest(%(topics)s::text[], %(partitions)s::int4[], %(epochs)s::int8[]) AS k (topic, partition, epoch)
  JOIN delivery_fence f
    ON f.region = %(region)s AND f.consumer_group = %(group)s AND f.topic = k.topic AND f.partition = k.partition
 WHERE f.generation = %(generation)s AND f.epoch = k.epoch
 ORDER BY f.topic, f.partition
   FOR SHARE OF f;

-- name: advance
-- A replay: every claim so far is void, and generations may begin anew.
UPDATE delivery_fence
   SET epoch = epoch + 1, generation = 0
 WHERE region = %(region)s AND consumer_group = %(group)s;
