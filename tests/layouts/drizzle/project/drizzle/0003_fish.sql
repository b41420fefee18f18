CREATE TABLE "fish" (
	"id" serial PRIMARY KEY NOT NULL,
	"tank" integer NOT NULL
);
--> statement-breakpoint
ALTER TABLE "fish" ADD CONSTRAINT "fish_tank_fk" FOREIGN KEY ("tank") REFERENCES "public"."tanks"("id");