-- no-transaction
ALTER TABLE orders ADD COLUMN total numeric;
CREATE INDEX CONCURRENTLY orders_status_idx ON orders (status);
ALTER TABLE orders RENAME COLUMN note TO remark;
UPDATE orders SET remark = 'none' WHERE id < 20;
ALTER TABLE orders ADD CONSTRAINT orders_quantity_check CHECK (quantity >= 0) NOT VALID;
ALTER TABLE orders VALIDATE CONSTRAINT orders_quantity_check;
DROP INDEX CONCURRENTLY orders_customer_id_idx;
