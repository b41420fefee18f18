ALTER TABLE orders ADD COLUMN doubled numeric GENERATED ALWAYS AS (amount * 2) STORED, ADD COLUMN tripled numeric GENERATED ALWAYS AS (amount * 3) STORED, ADD COLUMN last int;
CREATE INDEX ON orders (tripled);
