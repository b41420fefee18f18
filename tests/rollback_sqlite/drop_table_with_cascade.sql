-- verdict: restored_from_backup
-- loses: main.customers 1
-- loses: main.orders 2
-- foreign keys on
-- migration
DROP VIEW open_orders;
DELETE FROM customers WHERE id = 1;
