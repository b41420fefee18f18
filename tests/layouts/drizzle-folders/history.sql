CREATE TABLE trees (
    id serial PRIMARY KEY,
    kind text NOT NULL,
    "row" integer
);
INSERT INTO trees (kind, "row") SELECT 'apple ' || n % 6, n % 20 FROM generate_series(1, 240) AS n;

CREATE TABLE applied_migrations (
    id serial PRIMARY KEY,
    hash text NOT NULL,
    created_at bigint,
    name text,
    applied_at timestamp with time zone DEFAULT now()
);
INSERT INTO applied_migrations (hash, created_at, name, applied_at) VALUES
    ('814075b7caf08b1b2aabc4efac5e4fd5e559c647555dd0dbe8592cd0d19a8bbe', 1780300800000, '20260601080000_trees', '2026-11-23 03:21:00.10674+00'),
    ('d45f96dfc5223e413f801071bd80622791b0865b664274011c03739b12d3405f', 1781510400000, '20260615080000_rows', '2026-11-23 03:21:00.10674+00');
