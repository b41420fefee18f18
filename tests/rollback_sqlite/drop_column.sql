-- verdict: restored_from_backup
-- loses: main.orders.note 2
-- migration
ALTER TABLE orders DROP COLUMN note;
