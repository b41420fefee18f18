-- migrate:up
ALTER TABLE orders ADD COLUMN source text;

-- migrate:down
ALTER TABLE orders DROP COLUMN source;
