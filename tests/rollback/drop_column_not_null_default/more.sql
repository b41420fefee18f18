UPDATE orders SET status = 'paid' WHERE id % 2 = 0;
