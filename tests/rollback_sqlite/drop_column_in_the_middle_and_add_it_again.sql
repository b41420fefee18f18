-- verdict: restored_from_backup
-- loses: main.customers.name 2
-- migration
ALTER TABLE customers DROP COLUMN name;
ALTER TABLE customers ADD COLUMN name TEXT;
