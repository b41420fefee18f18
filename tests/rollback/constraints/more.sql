ALTER TABLE orders ADD CONSTRAINT orders_note_check CHECK (note <> '');
ALTER TABLE orders ADD CONSTRAINT not_yet CHECK (quantity >= 0) NOT VALID;
COMMENT ON CONSTRAINT orders_amount_check ON orders IS 'no gifts';
