ALTER TABLE payments ADD COLUMN reviewer_id integer DEFAULT 1 REFERENCES customers (id);
