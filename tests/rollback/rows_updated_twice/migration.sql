UPDATE orders SET status = 'late' WHERE id % 3 = 0;
UPDATE orders SET note = status || '!', quantity = quantity + 1 WHERE status = 'late';
DELETE FROM orders WHERE note = 'late!' AND id > 280;
