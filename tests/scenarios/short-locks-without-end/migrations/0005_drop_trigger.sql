SET lock_timeout = 0;
DROP TRIGGER orders_amount ON orders;
