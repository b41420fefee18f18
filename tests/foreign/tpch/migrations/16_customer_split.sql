-- expect: applies yes, blocks yes, slower no, undoable with_backup
-- find: data/destroyed, lock/full-scan, schema/client-breaking
-- Addresses move to a table of their own.
BEGIN;
SET LOCAL lock_timeout = '5s';
CREATE TABLE customer_address (custkey integer PRIMARY KEY, address text NOT NULL, nationkey integer NOT NULL);
INSERT INTO customer_address SELECT c_custkey, c_address, c_nationkey FROM customer;
ALTER TABLE customer_address ADD FOREIGN KEY (custkey) REFERENCES customer ON DELETE CASCADE;
ALTER TABLE customer DROP COLUMN c_address;
COMMIT;
