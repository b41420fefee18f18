CREATE TABLE part (id integer, at date, v text, PRIMARY KEY (id, at)) PARTITION BY RANGE (at);
CREATE TABLE part_1 PARTITION OF part FOR VALUES FROM ('2024-01-01') TO ('2025-01-01');
CREATE TABLE part_2 PARTITION OF part FOR VALUES FROM ('2025-01-01') TO ('2026-01-01');
INSERT INTO part SELECT i, '2024-02-01'::date + i, 'v' FROM generate_series(1, 20) AS i;
