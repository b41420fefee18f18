CREATE TABLE people (id int PRIMARY KEY, name text, "Größe, ""cm""" integer NOT NULL DEFAULT 170);
ALTER TABLE people ADD CONSTRAINT "tall enough" CHECK ("Größe, ""cm""" > 20);
INSERT INTO people SELECT i, 'p' || i, 180 + i FROM generate_series(1, 20) i;
CREATE INDEX "by size" ON people ("Größe, ""cm""" DESC NULLS LAST, name);
CREATE VIEW "Tall ones" WITH (security_barrier) AS SELECT id, "Größe, ""cm""" AS "how tall" FROM people WHERE "Größe, ""cm""" > 160;
COMMENT ON COLUMN people."Größe, ""cm""" IS 'in ''centimetres'''; COMMENT ON COLUMN "Tall ones"."how tall" IS 'view column';
GRANT SELECT ("Größe, ""cm"""), UPDATE ("Größe, ""cm""") ON people TO reader; GRANT SELECT ON "Tall ones" TO reader;
ALTER TABLE people ALTER "Größe, ""cm""" SET STATISTICS 77, ALTER "Größe, ""cm""" SET (n_distinct = 30, n_distinct_inherited = 40);
CREATE STATISTICS "size and name" (ndistinct) ON name, "Größe, ""cm""" FROM people;
