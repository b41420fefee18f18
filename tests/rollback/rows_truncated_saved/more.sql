CREATE TABLE log (at date, level integer, message text);
INSERT INTO log SELECT date '2026-01-01' + i / 10, i % 3, CASE WHEN i % 3 > 0 THEN 'm' || i END FROM generate_series(1, 60) i;
