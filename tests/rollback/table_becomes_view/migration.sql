ALTER TABLE orders RENAME TO orders_table; CREATE VIEW orders AS SELECT * FROM orders_table WHERE amount > 0;
