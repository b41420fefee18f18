-- Alone in its file: several statements would share a transaction.
CREATE INDEX CONCURRENTLY loans_due_on_idx ON loans (due_on);
