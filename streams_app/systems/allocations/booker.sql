-- name: add_parts
-- A part that is there already is no repetition, which the inbox keeps away: the transaction fails.
INSERT INTO holdings.booked_part (block_order_id, part_no, snapshot_no, rebalance_id, quantity, amount)
SELECT *
  FROM unnest(%(block_order_ids)s::uuid[], %(part_nos)s::int4[], %(snapshot_nos)s::int4[], %(rebalance_ids)s::uuid[],
              %(quantities)s::int8[], %(amounts)s::numeric[]);

-- name: hold_accounts
-- One order for everybody; an account's row guards its positions and settlements too.
SELECT a.bucket, a.account_id
  FROM holdings.account a
  JOIN unnest(%(buckets)s::int2[], %(accounts)s::int8[]) AS k (bucket, account_id)
    ON k.bucket = a.bucket AND k.account_id = a.account_id
 ORDER BY a.bucket, a.account_id
   FOR UPDATE OF a;

-- name: add_cash
UPDATE holdings.account a
   SET cash = a.cash + k.amount, updated_at = now()
  FROM unnest(%(buckets)s::int2[], %(accounts)s::int8[], %(amounts)s::numeric[]) AS k (bucket, account_id, amount)
 WHERE a.bucket = k.bucket AND a.account_id = k.account_id;

-- name: add_positions
-- Returns those that are negative now.
WITH booked AS (
    INSERT INTO holdings.position AS p (bucket, account_id, security_id, quantity)
    SELECT *
      FROM unnest(%(buckets)s::int2[], %(accounts)s::int8[], %(securities)s::int4[], %(quantities)s::int8[])
        ON CONFLICT (bucket, account_id, security_id) DO UPDATE SET quantity = p.quantity + excluded.quantity
    RETURNING p.bucket, p.account_id, p.security_id, p.quantity
)
SELECT bucket, account_id, security_id, quantity FROM booked WHERE quantity < 0;

-- name: add_settlements
INSERT INTO holdings.settlement AS s (block_order_id, bucket, account_id, security_id, side, quantity, amount,
                                      trade_date, settle_date)
SELECT p.block_order_id, p.bucket, k.account_id, p.security_id, p.side, k.quantity, k.amount, p.trade_date,
       p.settle_date
  FROM unnest(%(places)s::int4[], %(accounts)s::int8[], %(quantities)s::int8[], %(amounts)s::numeric[])
    AS k (place, account_id, quantity, amount)
  JOIN unnest(%(block_order_ids)s::uuid[], %(buckets)s::int2[], %(securities)s::int4[], %(sides)s::text[],
              %(trade_dates)s::date[], %(settle_dates)s::date[])
       WITH ORDINALITY AS p (block_order_id, bucket, security_id, side, trade_date, settle_date, place)
    ON p.place = k.place
    ON CONFLICT (block_order_id, bucket, account_id) DO UPDATE
   SET quantity = s.quantity + excluded.quantity, amount = s.amount + excluded.amount, updated_at = now();
