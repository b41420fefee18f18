CREATE TABLE customers (id integer PRIMARY KEY, name text, created_at date DEFAULT '2020-01-01');
INSERT INTO customers SELECT i, 'Customer ' || i FROM generate_series(1, 50) AS i;
