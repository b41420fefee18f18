-- Modify "loans" table
ALTER TABLE "loans" ADD COLUMN "returned_on" date NULL;
-- Set comment to column: "returned_on" on table: "loans"
COMMENT ON COLUMN "loans"."returned_on" IS 'null while the book is out';
