DROP TRIGGER orders_amount ON orders;
