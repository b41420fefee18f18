CREATE TABLE tanks (
    id serial PRIMARY KEY NOT NULL,
    room text NOT NULL,
    litres integer
);
INSERT INTO tanks (room, litres) SELECT 'room ' || n % 4, 100 + n FROM generate_series(1, 200) AS n;

CREATE SCHEMA drizzle;
CREATE TABLE drizzle.__drizzle_migrations (
    id serial PRIMARY KEY,
    hash text NOT NULL,
    created_at bigint
);
INSERT INTO drizzle.__drizzle_migrations (hash, created_at) VALUES
    ('37542d4d36a81f2aafef9be7a131e43b33317283129acc7b127c6ea5ee389113', 1780300800000),
    ('10f68623bcd3591572be6becaf0e82c65226b6852a68c4aaf23e0ed5342425bb', 1780905600000);
