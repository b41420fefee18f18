ALTER TABLE customers ADD COLUMN vat text;
CREATE INDEX CONCURRENTLY customers_vat_idx ON customers (vat);
CREATE TABLE regions (id int PRIMARY KEY);
