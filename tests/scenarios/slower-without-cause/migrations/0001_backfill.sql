UPDATE orders SET note = note || '.' WHERE id % 3 = 0;
UPDATE orders SET note = note || ',' WHERE id % 3 = 1;
