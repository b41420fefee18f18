UPDATE orders SET note = now()::text WHERE id < 10;
