-- verdict: restored_from_backup
-- loses: main.customers 2
-- migration
REPLACE INTO customers (id, email) VALUES (1, 'b@x');
