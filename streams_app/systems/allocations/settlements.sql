-- name: list
-- What is to change hands, by day and customer order.
SELECT settle_date, trade_date, account_id, security_id, side, quantity, amount, block_order_id
  FROM holdings.settlement
 WHERE settle_date = coalesce(%(day)s::date, settle_date)
   AND account_id = coalesce(%(account)s::int8, account_id)
   AND quantity <> 0
 ORDER BY settle_date DESC, account_id, security_id, block_order_id
 LIMIT %(limit)s;

-- name: totals
-- By day and side: customer orders, shares, money.
SELECT settle_date, side, count(*), sum(quantity)::int8, sum(amount)
  FROM holdings.settlement
 WHERE settle_date = coalesce(%(day)s::date, settle_date)
   AND account_id = coalesce(%(account)s::int8, account_id)
   AND quantity <> 0
 GROUP BY settle_date, side
 ORDER BY settle_date DESC, side;
