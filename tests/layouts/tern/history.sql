CREATE ROLE loans_reader;

CREATE SCHEMA library;
CREATE TABLE library.loans (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    member text NOT NULL,
    lent_on date NOT NULL,
    returned_on date
);
INSERT INTO library.loans (member, lent_on)
SELECT 'member ' || n % 40, '2026-01-01'::date + n FROM generate_series(1, 500) AS n;

CREATE TABLE schema_version (
    version integer NOT NULL
);
INSERT INTO schema_version (version) VALUES (2);
