CREATE TABLE "tanks" (
	"id" serial PRIMARY KEY NOT NULL,
	"room" text NOT NULL
);
