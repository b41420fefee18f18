ALTER TABLE payments ADD COLUMN reviewer_id integer REFERENCES customers (id);
