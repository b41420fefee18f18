-- name: MustUseIndex :many
-- must_use_index: orders_status_idx
SELECT id FROM orders WHERE status = 'waiting';

-- name: NoSeqScan :many
-- no_seq_scan_over: 10_000
SELECT count(id) FROM orders WHERE status = 'waiting';

-- name: SeqScanAllowed :many
-- no_seq_scan_over: 20000
-- max_buffers: 10000
SELECT sum(id) FROM orders WHERE status = 'waiting';

-- name: AlwaysTooMuch :one
-- max_buffers: 10
SELECT count(*) FROM payments WHERE amount_cents > 0;

-- name: OwnThresholds :many
-- plan_ratio: 1000
SELECT avg(id) FROM orders WHERE status = 'waiting';
