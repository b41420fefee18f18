CREATE EXTENSION postgres_fdw;
CREATE SERVER archive FOREIGN DATA WRAPPER postgres_fdw OPTIONS (host 'archive.example.org');
CREATE USER MAPPING FOR PUBLIC SERVER archive OPTIONS (user 'reader', password 'secret');
CREATE TABLE orders (id int NOT NULL, year int NOT NULL, note text) PARTITION BY LIST (year);
CREATE TABLE orders_2026 PARTITION OF orders FOR VALUES IN (2026);
CREATE FOREIGN TABLE orders_2016 PARTITION OF orders FOR VALUES IN (2016) SERVER archive;
INSERT INTO orders SELECT g, 2026, 'n' FROM generate_series(1, 1000) AS g;
