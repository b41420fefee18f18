-- verdict: restored_from_backup
-- loses: main.orders.note 1
-- stepwise
-- migration
ALTER TABLE orders ADD COLUMN x INT;
UPDATE orders SET note = 'gone' WHERE id = 1;
DROP INDEX dear_orders;
DROP TABLE absent;
DROP TABLE orders;
