-- verdict: restored_from_backup
-- loses: main.orders 3
-- migration
DROP VIEW open_orders;
DROP TABLE orders;
