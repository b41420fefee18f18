CREATE TABLE log (at date, what text, n int); INSERT INTO log SELECT date '2026-01-01' + i, 'w', i FROM generate_series(1, 10) i;
