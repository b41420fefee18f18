BEGIN;
ALTER TABLE customers RENAME TO people;
CREATE VIEW customers AS SELECT id, email, country FROM people;
COMMIT;
