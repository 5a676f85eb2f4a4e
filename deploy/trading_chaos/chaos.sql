-- name: progress
-- Orders, and those that the exchange has answered for.
SELECT count(*), count(*) FILTER (WHERE status IN ('FILLED', 'REJECTED')) FROM app.orders WHERE region = %(region)s;
