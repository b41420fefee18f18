CREATE TABLE pairs (a int PRIMARY KEY, b int, c text); INSERT INTO pairs SELECT i, i % 3, 'x' FROM generate_series(1, 20) i;
