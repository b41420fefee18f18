INSERT INTO log SELECT (random() * 1000)::integer, 'r' FROM generate_series(1, 3);
