CREATE TABLE single (a int); INSERT INTO single SELECT i FROM generate_series(1, 20) i;
