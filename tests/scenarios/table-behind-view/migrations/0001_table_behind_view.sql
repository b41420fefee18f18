BEGIN;
ALTER TABLE customers RENAME TO people;
CREATE VIEW customers AS SELECT id, email, country, length(fax) AS fax FROM people;
COMMIT;
