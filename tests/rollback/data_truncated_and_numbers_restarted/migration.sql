TRUNCATE "Zähler" RESTART IDENTITY; INSERT INTO "Zähler" ("Wert, ""x""") VALUES ('a'), ('b');
