-- name: made
-- Executions beyond those that were handed on.
SELECT e.block_order_id, e.execution_id, e.seq, e.kind, e.quantity, e.price, e.executed_at, e.ref_seq
FROM unnest(%(block_order_ids)s::uuid[], %(seqs)s::int4[]) AS seen (block_order_id, seq)
JOIN trades.execution e ON e.block_order_id = seen.block_order_id AND e.seq > seen.seq
ORDER BY e.block_order_id, e.seq;
