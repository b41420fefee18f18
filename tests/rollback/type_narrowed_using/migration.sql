ALTER TABLE orders ALTER COLUMN amount TYPE integer USING round(amount * 2)::integer;
