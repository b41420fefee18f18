INSERT INTO customers (id, email, name) VALUES (900, 'x' || '@example.test', NULL), (901, 'y@example.test', 'Y');
