-- The payment provider announced that its numbers pass 2147483647 this autumn.

ALTER TABLE shop.payments
    ALTER COLUMN gateway_txn_no TYPE bigint;
