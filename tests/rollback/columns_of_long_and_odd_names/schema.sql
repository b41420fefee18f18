CREATE TABLE "Tisch ""Ü""" ("sixty three letters of a name that goes as far as a name may go" int PRIMARY KEY, "select" text, "a.b" int, " " date);
INSERT INTO "Tisch ""Ü""" SELECT i, 's' || i, i, date '2026-01-01' + i FROM generate_series(1, 9) i;
CREATE INDEX "Index mit Raum" ON "Tisch ""Ü""" ("a.b", (upper("select")));
ALTER TABLE "Tisch ""Ü""" ADD CONSTRAINT "it's" CHECK ("a.b" > 0);
