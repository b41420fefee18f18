-- verdict: restored_from_backup
-- loses: main.orders 3
-- migration
UPDATE orders SET id = id + 100;
