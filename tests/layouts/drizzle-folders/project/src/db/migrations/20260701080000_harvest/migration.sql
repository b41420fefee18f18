CREATE TABLE "harvests" (
	"tree" integer NOT NULL REFERENCES "trees"("id"),
	"kilos" numeric
);
--> statement-breakpoint
CREATE INDEX "harvests_tree" ON "harvests" ("tree");