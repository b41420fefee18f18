-- verdict: restored_from_backup
-- loses: main.customers 3
-- migration
DROP VIEW open_orders;
DROP TABLE customers;
