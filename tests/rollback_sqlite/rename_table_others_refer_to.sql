-- verdict: exact
-- foreign keys on
-- migration
ALTER TABLE customers RENAME TO people;
