-- verdict: restored_from_backup
-- loses: main.orders.total 3
-- loses: main.orders.note 2
-- migration
UPDATE orders SET total = total * 2;
ALTER TABLE orders DROP COLUMN note;
