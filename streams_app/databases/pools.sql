-- The level of a transaction must be set before its first query.

-- name: read committed
SET TRANSACTION ISOLATION LEVEL READ COMMITTED;

-- name: serializable
SET TRANSACTION ISOLATION LEVEL SERIALIZABLE;
