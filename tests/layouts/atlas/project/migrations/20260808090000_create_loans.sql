-- Create "loans" table
CREATE TABLE "loans" (
  "id" bigint NOT NULL GENERATED ALWAYS AS IDENTITY,
  "reader_id" bigint NOT NULL,
  "due_on" date NOT NULL,
  PRIMARY KEY ("id"),
  CONSTRAINT "loans_reader_fk" FOREIGN KEY ("reader_id") REFERENCES "readers" ("id")
);
