UPDATE orders SET status = 'old' WHERE status = 'mid';
