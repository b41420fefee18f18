UPDATE orders SET note = 'gone' WHERE id <= 30; DELETE FROM orders WHERE id > 290;
