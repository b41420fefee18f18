-- no-transaction
-- fails
CREATE UNIQUE INDEX CONCURRENTLY t_id ON t (id);
DROP INDEX CONCURRENTLY t_v;
