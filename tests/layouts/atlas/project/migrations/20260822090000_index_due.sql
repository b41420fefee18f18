-- atlas:txmode none

-- Create index "loans_due_on_idx" to table: "loans"
CREATE INDEX CONCURRENTLY "loans_due_on_idx" ON "loans" ("due_on");
