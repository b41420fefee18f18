CREATE TABLE "trees" (
	"id" serial PRIMARY KEY,
	"kind" text NOT NULL
);
