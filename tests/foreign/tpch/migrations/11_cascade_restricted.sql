-- expect: applies yes, blocks briefly, slower no, undoable yes
-- find:
-- Lines shall no longer go with their order; what is there holds already.
BEGIN;
SET LOCAL lock_timeout = '5s';
ALTER TABLE lineitem DROP CONSTRAINT lineitem_l_orderkey_fkey;
ALTER TABLE lineitem ADD CONSTRAINT lineitem_l_orderkey_fkey FOREIGN KEY (l_orderkey) REFERENCES orders NOT VALID;
COMMIT;
ALTER TABLE lineitem VALIDATE CONSTRAINT lineitem_l_orderkey_fkey;
