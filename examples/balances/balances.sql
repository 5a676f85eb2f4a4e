-- name: apply
-- A balance moves only from the payment before the first of the batch; who did not move is not returned.
WITH paid AS (
    SELECT p.account_id, min(p.seq_num) AS first, max(p.seq_num) AS last, sum(p.amount) AS amount
      FROM json_to_recordset(%(rows)s::json) AS p (account_id uuid, seq_num int8, amount numeric)
     GROUP BY p.account_id
), moved AS (
    UPDATE balance b SET seq_num = paid.last, amount = b.amount + paid.amount
      FROM paid
     WHERE b.account_id = paid.account_id AND b.seq_num = paid.first - 1
    RETURNING b.account_id
), opened AS (
    INSERT INTO balance (account_id, seq_num, amount)
    SELECT account_id, last, amount FROM paid WHERE first = 1
        ON CONFLICT (account_id) DO NOTHING
    RETURNING account_id
)
SELECT account_id::text FROM moved UNION ALL SELECT account_id::text FROM opened;

-- name: heads
SELECT account_id::text, seq_num FROM balance WHERE account_id = ANY(%(keys)s::uuid[]);

-- name: between
SELECT k.account_id::text, p.seq_num, to_json(p)
  FROM unnest(%(key)s::uuid[], %(after)s::int8[], %(before)s::int8[]) AS k (account_id, after, before)
  JOIN payment p ON p.account_id = k.account_id AND p.seq_num > k.after AND p.seq_num < k.before
 ORDER BY k.account_id, p.seq_num;
