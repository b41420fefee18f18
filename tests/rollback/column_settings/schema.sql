CREATE TABLE docs (id int PRIMARY KEY, body text, extra bytea, tag varchar(9) NOT NULL DEFAULT 'x'); INSERT INTO docs SELECT i, repeat('b', i), 'e', 't' FROM generate_series(1, 10) i;
ALTER TABLE docs ALTER body SET STORAGE MAIN, ALTER body SET COMPRESSION pglz, ALTER tag SET STATISTICS 10, ALTER id SET (n_distinct = 5);
CREATE INDEX docs_e ON docs ((length(body)), (lower(tag))); ALTER INDEX docs_e ALTER COLUMN 1 SET STATISTICS 55;
CREATE MATERIALIZED VIEW lengths AS SELECT id, length(body) AS l FROM docs; ALTER MATERIALIZED VIEW lengths ALTER l SET STATISTICS 44;
