ALTER TABLE orders ADD CONSTRAINT orders_quantity_known CHECK (quantity IS NOT NULL) NOT VALID;
