-- verdict: restored_from_backup
-- loses: main.customers.note 2
-- migration
ALTER TABLE customers DROP COLUMN note;
