CREATE TABLE codes (id int NOT NULL, code text, other text NOT NULL); INSERT INTO codes SELECT i, 'c' || i, 'o' || i FROM generate_series(1, 15) i;
CREATE UNIQUE INDEX codes_code_idx ON codes (code) WITH (fillfactor = 50); COMMENT ON INDEX codes_code_idx IS 'kept'; CREATE UNIQUE INDEX codes_id_idx ON codes (id);
