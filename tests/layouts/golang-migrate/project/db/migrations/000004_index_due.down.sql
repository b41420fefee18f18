DROP INDEX CONCURRENTLY loans_due_on_idx;
