UPDATE orders SET note = NULL WHERE status = 'waiting';
