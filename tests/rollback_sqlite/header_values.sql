-- verdict: exact
-- migration
PRAGMA user_version = 7;
PRAGMA application_id = 99;
ALTER TABLE orders ADD COLUMN x;
