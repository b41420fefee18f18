SET lock_timeout = 0;
ALTER TABLE payments ALTER COLUMN amount_cents SET STATISTICS 200;
ALTER TABLE payments SET (fillfactor = 90);
COMMENT ON TABLE payments IS 'what customers paid';
CREATE STATISTICS payments_of_customers ON order_id, customer_id FROM payments;
