ALTER TABLE orders
    ALTER COLUMN paid SET NOT NULL,
    DROP CONSTRAINT orders_paid_known;
