-- Talking to the payment provider.

-- name: FindPaymentByTransaction :one
-- owner: team-finance
-- expect: one
-- weight: 330
-- params known: $1 = 2115757757
SELECT p.id, p.order_id, p.method, p.status, p.amount_cents
FROM shop.payments p
WHERE p.gateway_txn_no = $1;

-- name: CountTransactionsInRange :one
-- owner: team-finance
-- expect: one
-- weight: 4
-- params settlement_file: $1 = 2100000000, $2 = 2136000000
SELECT count(*) AS transactions
FROM shop.payments
WHERE gateway_txn_no >= $1
  AND gateway_txn_no < $2;
