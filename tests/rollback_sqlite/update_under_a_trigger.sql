-- verdict: restored_from_backup
-- loses: main.orders.status 2
-- migration
UPDATE orders SET status = 'closed' WHERE status = 'new';
