CREATE TABLE shelves (
    id bigint PRIMARY KEY,
    room text NOT NULL,
    floor integer
);
INSERT INTO shelves SELECT n, 'room ' || n % 20, n % 4 FROM generate_series(1, 300) AS n;

CREATE TABLE schema_migrations (version bigint not null primary key, dirty boolean not null);
INSERT INTO schema_migrations (version, dirty) VALUES (2, false);
