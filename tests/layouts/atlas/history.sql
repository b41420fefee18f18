CREATE TABLE readers (
    id bigint NOT NULL GENERATED ALWAYS AS IDENTITY,
    name text NOT NULL,
    PRIMARY KEY (id)
);
CREATE TABLE loans (
    id bigint NOT NULL GENERATED ALWAYS AS IDENTITY,
    reader_id bigint NOT NULL,
    due_on date NOT NULL,
    PRIMARY KEY (id),
    CONSTRAINT loans_reader_fk FOREIGN KEY (reader_id) REFERENCES readers (id)
);
INSERT INTO readers (name) SELECT 'Reader ' || n FROM generate_series(1, 200) AS n;
INSERT INTO loans (reader_id, due_on) SELECT 1 + n % 200, date '2026-09-01' + n % 60 FROM generate_series(1, 800) AS n;

CREATE SCHEMA atlas_schema_revisions;
CREATE TABLE atlas_schema_revisions.atlas_schema_revisions (
    version character varying NOT NULL,
    description character varying NOT NULL,
    type bigint DEFAULT 2 NOT NULL,
    applied bigint DEFAULT 0 NOT NULL,
    total bigint DEFAULT 0 NOT NULL,
    executed_at timestamp with time zone NOT NULL,
    execution_time bigint NOT NULL,
    error text,
    error_stmt text,
    hash character varying NOT NULL,
    partial_hashes jsonb,
    operator_version character varying NOT NULL,
    PRIMARY KEY (version)
);
INSERT INTO atlas_schema_revisions.atlas_schema_revisions VALUES
    ('.atlas_cloud_identifier', 'd2b6a2f0-6a57-4f3a-8c5e-0a4f0cf4f7a1', 2, 0, 0, '2026-08-01 09:00:00+00', 0, NULL, NULL, '', NULL, 'Atlas CLI v0.30.0'),
    ('20260801090000', 'create_readers', 2, 1, 1, '2026-08-01 09:00:00+00', 52487, '', '', 'pWnMJQvRnI+NaezudMk2ziyMltQJGKL4nTHUr4+uwmU=', 'null', 'Atlas CLI v0.30.0'),
    ('20260808090000', 'create_loans', 2, 1, 1, '2026-08-08 09:00:00+00', 45617, '', '', 'tNRbjZGz31aiV7nNDH6gaWGMhPteXhu1gBUv5gyRK90=', 'null', 'Atlas CLI v0.30.0');
