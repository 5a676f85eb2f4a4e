-- name: empty
TRUNCATE event_production_log, event_production_key, event_consumption_log, event_consumption_key, event_relay,
    event_relay_shard;

-- name: make_tables
CREATE TABLE IF NOT EXISTS benchmark_effect (
    event_id text NOT NULL,
    number   int8 NOT NULL,
    amount   numeric(20, 2) NOT NULL,
    made_ts  timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (number)
);
CREATE TABLE IF NOT EXISTS benchmark_head (
    event_key text PRIMARY KEY,
    number    int8 NOT NULL,
    amount    numeric(20, 2) NOT NULL
) WITH (fillfactor = 80);
GRANT SELECT, INSERT, UPDATE ON benchmark_effect, benchmark_head TO streams_app;

-- name: empty_effects
TRUNCATE benchmark_effect, benchmark_head;

-- name: settle
VACUUM (ANALYZE) event_production_log, event_production_key, event_consumption_log, event_consumption_key;

-- name: checkpoint
CHECKPOINT;

-- name: effects
-- The agent's own work: a row of its log an event, and the head of each key.
WITH e AS MATERIALIZED (
    SELECT * FROM unnest(%(event_ids)s::text[], %(keys)s::text[], %(numbers)s::int8[], %(amounts)s::numeric[])
        AS e (event_id, event_key, number, amount)
), made AS (
    INSERT INTO benchmark_effect (event_id, number, amount) SELECT event_id, number, amount FROM e
)
INSERT INTO benchmark_head AS h (event_key, number, amount)
SELECT event_key, max(number), sum(amount) FROM e GROUP BY event_key
    ON CONFLICT (event_key) DO UPDATE SET number = excluded.number, amount = h.amount + excluded.amount;

-- name: pending
-- What the relay reads, for somebody who writes nothing down.
SELECT id, event_id, event_key, event_type, payload::text, service_name, correlation_id, created_at
  FROM event_production_log
 WHERE region = %(region)s AND id > %(after)s AND status = 'PENDING'
 ORDER BY id
 LIMIT %(limit)s;

-- name: count
SELECT status, count(*) FROM event_production_log GROUP BY status;

-- name: processed
SELECT count(*), count(DISTINCT number) FROM benchmark_effect;

-- name: slot
SELECT active FROM pg_replication_slots WHERE slot_name = 'events_us_east';
