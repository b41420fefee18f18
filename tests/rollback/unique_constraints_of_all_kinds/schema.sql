CREATE TABLE places (id int, x int NOT NULL, y int NOT NULL, z int, during int4range,
    CONSTRAINT places_pk PRIMARY KEY (id) INCLUDE (z) WITH (fillfactor = 60),
    CONSTRAINT spot UNIQUE (x, y) DEFERRABLE INITIALLY IMMEDIATE,
    CONSTRAINT apart EXCLUDE USING gist (during WITH &&) WHERE (z > 0) DEFERRABLE);
INSERT INTO places SELECT i, i, i, i, int4range(i, i + 1) FROM generate_series(1, 12) i;
COMMENT ON CONSTRAINT apart ON places IS 'no overlap'; COMMENT ON INDEX spot IS 'behind it';
