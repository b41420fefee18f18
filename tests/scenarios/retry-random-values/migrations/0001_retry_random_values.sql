ALTER TABLE customers ADD COLUMN IF NOT EXISTS token uuid DEFAULT gen_random_uuid();
DROP INDEX CONCURRENTLY IF EXISTS customers_token_idx;
CREATE INDEX CONCURRENTLY customers_token_idx ON customers (token);
