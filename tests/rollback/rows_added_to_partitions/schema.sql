CREATE TABLE part (id integer, at date NOT NULL, v text, PRIMARY KEY (id, at)) PARTITION BY RANGE (at);
CREATE TABLE part_1 PARTITION OF part FOR VALUES FROM ('2024-01-01') TO ('2025-01-01');
CREATE TABLE part_2 PARTITION OF part FOR VALUES FROM ('2025-01-01') TO ('2026-01-01');
INSERT INTO part SELECT i, '2024-01-01'::date + i * 20, 'v' || i FROM generate_series(1, 30) AS i;
CREATE TABLE logged (at date NOT NULL, seen timestamptz DEFAULT now(), v text) PARTITION BY RANGE (at);
CREATE TABLE logged_1 PARTITION OF logged FOR VALUES FROM ('2024-01-01') TO ('2025-01-01');
CREATE TABLE logged_2 PARTITION OF logged FOR VALUES FROM ('2025-01-01') TO ('2026-01-01');
INSERT INTO logged SELECT '2024-06-01'::date + i * 20, '2024-01-01', 'v' || i FROM generate_series(1, 20) AS i;
