ALTER TABLE "Tisch ""Ü""" RENAME COLUMN "select" TO "from";
ALTER TABLE "Tisch ""Ü""" RENAME COLUMN "a.b" TO "select";
ALTER TABLE "Tisch ""Ü""" RENAME COLUMN " " TO "  ";
ALTER TABLE "Tisch ""Ü""" ALTER COLUMN "select" TYPE bigint;
ALTER TABLE "Tisch ""Ü""" RENAME CONSTRAINT "it's" TO "it isn't";
ALTER TABLE "Tisch ""Ü""" RENAME TO "another name of sixty three letters, just as long as the first one";
ALTER INDEX "Index mit Raum" RENAME TO "$odd$";
