-- orders_paid_known has proved it already.
ALTER TABLE orders ALTER COLUMN paid SET NOT NULL;
ALTER TABLE orders DROP CONSTRAINT orders_paid_known;
