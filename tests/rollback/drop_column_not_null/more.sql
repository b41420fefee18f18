CREATE VIEW addresses AS SELECT id, email FROM customers; DROP VIEW addresses;
