CREATE TABLE facts (id int PRIMARY KEY, body text, tags int[], at timestamptz, place point, doc jsonb, u int);
INSERT INTO facts SELECT i, 'b' || i, ARRAY[i], timestamptz '2026-01-01' + i * interval '1 hour', point(i, i), jsonb_build_object('k', i), i FROM generate_series(1, 60) i;
CREATE INDEX f_expression ON facts (lower(body), (id % 7) DESC NULLS LAST); CREATE INDEX f_partial ON facts (id) WHERE body IS NOT NULL AND id > 5;
CREATE INDEX f_include ON facts (at) INCLUDE (body); CREATE INDEX f_opclass ON facts (body COLLATE "C" text_pattern_ops);
CREATE INDEX f_gin ON facts USING gin (tags) WITH (fastupdate = off); CREATE INDEX f_brin ON facts USING brin (at) WITH (pages_per_range = 4, autosummarize = true);
CREATE INDEX f_hash ON facts USING hash (body); CREATE INDEX f_gist ON facts USING gist (place); CREATE INDEX f_json ON facts USING gin (doc jsonb_path_ops);
CREATE UNIQUE INDEX f_unique ON facts (u) INCLUDE (id) WITH (fillfactor = 55, deduplicate_items = off); COMMENT ON INDEX f_gin IS 'tags''s'; ALTER INDEX f_expression ALTER COLUMN 2 SET STATISTICS 321;
