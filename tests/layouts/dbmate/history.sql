CREATE TABLE readers (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name text NOT NULL
);
CREATE TABLE loans (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    reader_id bigint NOT NULL REFERENCES readers,
    due_on date NOT NULL
);
INSERT INTO readers (name) SELECT 'Reader ' || n FROM generate_series(1, 200) AS n;
INSERT INTO loans (reader_id, due_on) SELECT 1 + n % 200, date '2026-09-01' + n % 60 FROM generate_series(1, 800) AS n;

CREATE TABLE schema_migrations (version varchar PRIMARY KEY);
INSERT INTO schema_migrations (version) VALUES ('20260801090000'), ('20260808090000');
