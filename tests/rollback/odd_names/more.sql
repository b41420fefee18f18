CREATE SCHEMA "Odd"; CREATE TABLE "Order Lines" ("Id" int PRIMARY KEY, "select" text, "it's" int); INSERT INTO "Order Lines" VALUES (1, 'a\b', 1), (2, E'c\nd', 2);
CREATE FUNCTION "Odd"."f n"(text) RETURNS text LANGUAGE sql AS 'SELECT $1'; CREATE VIEW "Odd"."V" AS SELECT 1 AS "One"; COMMENT ON COLUMN "Odd"."V"."One" IS 'eins';
CREATE TABLE "Odd"."T" ("A-b" int, CHECK ("A-b" > 0)); CREATE INDEX "I i" ON "Odd"."T" ((("A-b" + 1)));
