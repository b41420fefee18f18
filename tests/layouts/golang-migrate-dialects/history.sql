CREATE TABLE networks (
    id uuid PRIMARY KEY,
    name text NOT NULL
);
INSERT INTO networks SELECT gen_random_uuid(), 'net ' || n FROM generate_series(1, 300) AS n;

CREATE TABLE schema_migrations (version bigint not null primary key, dirty boolean not null);
INSERT INTO schema_migrations (version, dirty) VALUES (20260801000001, false);
